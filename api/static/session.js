// Who is logged in now.  A login in another window makes the form tokens of every open page old: where the same person
// is back they are renewed, so that nothing has to be written twice.
import { t } from "./words.js";

// Throws TypeError where nothing answers.
export const look = async () => {
  const answer = await fetch("/api/v1/account");
  if (!answer.ok) return { in: false, status: answer.status, renewed: false };
  const { name, form_token: token } = await answer.json();
  if (name !== document.body.dataset.user) return { in: false, status: 403, who: name, renewed: false };
  const old = [...document.querySelectorAll("input[name=csrf]")].filter((field) => field.value !== token);
  for (const field of old) field.value = token;
  return { in: true, renewed: old.length > 0 };
};

// Why nothing can be sent.
export const why = ({ status, who }) => {
  if (who) return t("现在登录的是 {who}，不是打开本页的人。内容没有送出；请用原来的账号登录后再试。", { who });
  if (status === 401) return t("登录已过期，内容没有送出，也没有丢失。请在新窗口登录，再回到本页送出。");
  return t("服务现在不能回答（{status}），内容没有送出。请稍后再试。", { status });
};
