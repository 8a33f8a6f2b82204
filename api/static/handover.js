// A handover that is being written asks how far it is; what is finished stays as it is.
import "./vendor/htmx.min.js";
