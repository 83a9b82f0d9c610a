/** What is being typed for a value that is kept elsewhere, such as in the address. */
import { useEffect, useRef, useState } from "react";

/**
 * The draft, how to change it, and how to say what it made of the value. The value as text; when it becomes anything
 * but what was said last (the way back, a link), the draft is read from it again.
 */
export function useDraft<Draft>(value: string, read: () => Draft) {
  const [draft, setDraft] = useState(read);
  const said = useRef(value);
  useEffect(() => {
    if (value === said.current) return;
    said.current = value;
    setDraft(read());
    // `read` is another function each time
  }, [value]);
  const say = (made: string) => {
    said.current = made;
  };
  return [draft, setDraft, say] as const;
}
