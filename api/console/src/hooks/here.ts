/** Whether the person is still where an act began: only then may its end lead elsewhere. */
import { useHref, useLocation } from "react-router";

/** A function that tells whether the browser still shows the address that this component was last drawn for. */
export function useIsHere(): () => boolean {
  const { pathname, search } = useLocation();
  const here = useHref({ pathname, search });
  return () => location.pathname + location.search === here;
}
