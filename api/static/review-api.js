// How pages talk to the API: JSON both ways, with the form token.
import { look, why } from "./session.js";

const token = () => document.querySelector("input[name=csrf]")?.value ?? "";

export class Answered extends Error {
  constructor(status, said) {
    super(said?.detail || said?.title || String(status));
    this.status = status;
  }
}

// Nobody is logged in any more, or somebody else.
export class LoggedOut extends Error {}

// The answer's JSON; throws LoggedOut, Answered for a refusal, TypeError where nothing answers.
export const ask = async (method, path, body, options = {}) => {
  const send = () => {
    const headers = { "X-CSRF-Token": token() };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    return fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), ...options });
  };
  let answer = await send();
  if (answer.status === 401 || answer.status === 403) {
    const found = await look();
    if (!found.in) throw new LoggedOut(why(found));
    if (found.renewed) answer = await send();
  }
  const said = await answer.json().catch(() => null);
  if (!answer.ok) throw new Answered(answer.status, said);
  return said;
};

export const clock = (milliseconds) => {
  const seconds = Math.floor(milliseconds / 1000);
  const tail = String(seconds % 60).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${tail}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${tail}`;
};

export const press = (button, on) => button?.setAttribute("aria-pressed", String(on));
export const pressed = (button) => button?.getAttribute("aria-pressed") === "true";
