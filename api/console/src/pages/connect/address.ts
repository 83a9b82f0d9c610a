/** Where a database is, as a form has it, and the URL of it. */
export type Engine = "postgresql" | "mariadb" | "mysql";

export interface Address {
  readonly engine: Engine;
  readonly host: string;
  readonly port: string;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly tls: string;
}

export const ENGINES: Readonly<Record<Engine, string>> = { postgresql: "PostgreSQL", mariadb: "MariaDB", mysql: "MySQL" };
export const PORTS: Readonly<Record<Engine, string>> = { postgresql: "5432", mariadb: "3306", mysql: "3306" };
export const TLS: Readonly<Record<Engine, readonly string[]>> = {
  postgresql: ["", "require", "verify-full", "disable"],
  mariadb: ["", "required", "verify_identity", "disabled"],
  mysql: ["", "required", "verify_identity", "disabled"],
};

export const NO_ADDRESS: Address = { engine: "postgresql", host: "", port: "", database: "", user: "", password: "", tls: "" };

/** The URL that the API takes; the password is in it, so it is shown nowhere. */
export function urlOf(address: Address): string {
  const { engine, database, user, password, tls } = address;
  const who = encodeURIComponent(user) + (password === "" ? "" : `:${encodeURIComponent(password)}`);
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  const option = tls === "" ? "" : `?${engine === "postgresql" ? "sslmode" : "ssl_mode"}=${tls}`;
  return `${engine}://${who}@${host}:${address.port || PORTS[engine]}/${encodeURIComponent(database)}${option}`;
}

/** The address in a URL that somebody pasted, also one whose percent signs stand for themselves; null where it is none of ours. */
export function read(text: string): Address | null {
  const found = /^(postgres(?:ql)?|mariadb|mysql):\/\/(.+)$/i.exec(text.trim());
  if (!found) return null;
  let url: URL;
  let port: string;
  try {
    url = new URL(`http://${found[2]}`); // what the browser knows how to take apart
    port = url.port || new URL(`https://${found[2]}`).port; // each leaves out the port that is its own
  } catch {
    return null;
  }
  const engine = found[1]?.toLowerCase().startsWith("postgres") ? "postgresql" : (found[1]?.toLowerCase() as Engine);
  return {
    engine,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port,
    database: decoded(url.pathname.slice(1)),
    user: decoded(url.username),
    password: decoded(url.password),
    tls: url.searchParams.get("sslmode") ?? url.searchParams.get("ssl_mode") ?? "",
  };
}

function decoded(text: string): string {
  return text.replace(/(%[0-9a-f]{2})+/gi, (octets) => {
    try {
      return decodeURIComponent(octets);
    } catch {
      return octets;
    }
  });
}

export function isComplete({ host, database, user }: Address): boolean {
  return host.trim() !== "" && database.trim() !== "" && user.trim() !== "";
}
