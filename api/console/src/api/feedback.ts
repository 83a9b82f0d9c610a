/** What somebody thought of an answer. */
import { useAct } from "@/hooks/act";
import { api, call, type Model } from "./client";

export type Feedback = Model<"FeedbackBody">;

export function useGiveFeedback(then: () => void) {
  return useAct({
    act: (body: Feedback) => call(api.POST("/v1/feedback", { body })),
    touches: [["feedback"]],
    then,
  });
}
