/** What somebody thought of an answer. */
import { useAct } from "@/hooks/act";
import { api, call, type Model } from "./client";

type Feedback = Model<"FeedbackBody">;

/** Stores what somebody thought; `then` hears the note that was given with it. */
export function useGiveFeedback<Note>(then: (note: Note) => void) {
  return useAct({
    act: ({ body }: { body: Feedback; note: Note }) => call(api.POST("/v1/feedback", { body })),
    touches: [["feedback"]],
    then: (_, { note }) => then(note),
  });
}
