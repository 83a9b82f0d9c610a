/** What a page shows, kept in its address: it can be sent to somebody else, and the way back leads there. */
import { type NavigateOptions, useHref, useLocation, useSearchParams } from "react-router";

type Change = (now: URLSearchParams) => URLSearchParams;

/**
 * The parameters as they are drawn, and how to change them. A change begins with those of the address: what was set a
 * moment ago may not be drawn yet. Whoever is on the way to another page stays on it.
 */
export function useParameters(): [URLSearchParams, (change: Change, options?: NavigateOptions) => void] {
  const [parameters, setParameters] = useSearchParams();
  const here = useHref(useLocation().pathname);
  const change = (made: Change, options?: NavigateOptions) => {
    if (location.pathname === here) setParameters(made(new URLSearchParams(location.search)), options);
  };
  return [parameters, change];
}

/** The parameters as they are drawn, and how to set one of them; null: it is left out. */
export function useParameter(): [URLSearchParams, (name: string, value: string | null) => void] {
  const [parameters, change] = useParameters();
  const set = (name: string, value: string | null) =>
    change(
      (now) => {
        if (value) now.set(name, value);
        else now.delete(name);
        return now;
      },
      { replace: true },
    );
  return [parameters, set];
}
