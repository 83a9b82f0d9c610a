/** The script that index.html names. What a first page needs is asked for at once, each beside the others. */
import "@mantine/core/styles.css"; // before those of any page, which overrule them
import "@mantine/notifications/styles.css";
import "./app/theme.css";
import { askEarly, MANY_COLLECTIONS, sessionIsLikely } from "./api/early";
import { FILES, pageAt } from "./app/files";
import { BASE } from "./base";

const path = pageAt(location.pathname.slice(BASE.length));
askEarly("/console/session");
if (sessionIsLikely()) askEarly(`/v1/collections?limit=${MANY_COLLECTIONS}`, ...(path === "/" ? ["/v1/overview"] : []));
if (path !== undefined) FILES[path]().catch(() => undefined); // the page says so when it is drawn
void import("./main");
