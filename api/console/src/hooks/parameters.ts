/** What a page shows, kept in its address: it can be sent to somebody else, and the way back leads there. */
import { useSearchParams } from "react-router";

/** The parameters of the address now: what was set a moment ago may not be drawn yet. */
export function currentParameters(): URLSearchParams {
  return new URLSearchParams(location.search);
}

/** The parameters as they are drawn, and how to set one of them; null: it is left out. */
export function useParameters(): [URLSearchParams, (name: string, value: string | null) => void] {
  const [parameters, setParameters] = useSearchParams();
  const set = (name: string, value: string | null) => {
    const now = currentParameters();
    if (value) now.set(name, value);
    else now.delete(name);
    setParameters(now, { replace: true });
  };
  return [parameters, set];
}
