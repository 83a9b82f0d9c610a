/** Who or what made something: a key by its name, anything else as the server tells it. */
import { useMaker } from "@/api/access";

export function Maker({ told }: { told: string }) {
  return <>{useMaker(told)}</>;
}
