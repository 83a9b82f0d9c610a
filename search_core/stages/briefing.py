"""What a policy is told of corpus and earlier runs before it chooses, and what this run leaves to later ones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from search_core.conditions import ARCHIVE, Conditions
from search_core.policy import NO_BRIEFING, POLICIES, Briefing, Policy, Trial
from search_core.policy.archive import Archive
from search_core.policy.contract import Accountable
from search_core.questions.taught_questions import DIGITS, hashes_of
from search_core.spaces.space import SearchSpace

DEAR_POLICY = "controller"  # of "auto" on the tiers where a trial is dear: random draws until it may win
SHOWN = 5  # questions that describe what is asked


def open_policy(conditions: Conditions, tier: str, space: SearchSpace) -> tuple[str, Policy]:
    """The policy of a dear tier by its name, started warm from the earlier runs of this installation."""
    asked = conditions.request.policy
    name = DEAR_POLICY if asked == "auto" else asked
    told = briefing(conditions, tier) if name == DEAR_POLICY else NO_BRIEFING
    return name, POLICIES.create(name, space, conditions.request.seed, told)


def briefing(conditions: Conditions, tier: str) -> Briefing:
    """What the controller is told of the runs that the archive held when this one began."""
    return archive(conditions).briefing(
        profile=profile(conditions),
        encoder=conditions.encoder.fingerprint,
        task=tier,
        corpus=conditions.collection.name,
        split=split_of(conditions),
        first=conditions.earlier_runs,
    )


def archive_trials(conditions: Conditions, tier: str, policy: Policy, trials: Sequence[Trial]) -> None:
    """Append the trials that a tier's policy asked for to the archive, once a run, unless it only repeats another."""
    if trials and conditions.request.against is None:
        archive(conditions).add(
            experiment=conditions.record.id,
            corpus=conditions.collection.name,
            split=split_of(conditions),
            task=tier,
            encoder=conditions.encoder.fingerprint,
            profile=profile(conditions),
            trials=policy.accounted(trials) if isinstance(policy, Accountable) else trials,
        )


def archive(conditions: Conditions) -> Archive:
    """The installation's."""
    return Archive(conditions.data_dir / ARCHIVE)


def split_of(conditions: Conditions) -> str:
    """What tells a split from another of the same corpus: the questions that it sealed, by hashes of their words."""
    questions = conditions.legs.questions
    sealed = hashes_of(questions[place].text for place in conditions.split.sealed)
    return hashlib.sha256(" ".join(sealed).encode()).hexdigest()[:DIGITS]


def profile(conditions: Conditions) -> tuple[float, ...]:
    """The sentence encoder's embedding of a description of corpus and questions."""
    snapshot, questions = conditions.snapshot, conditions.legs.questions
    asked = " ".join(questions[place].text for place in conditions.working[:SHOWN])
    letters = sum(len(chunk.text) for chunk in snapshot.chunks) // len(snapshot.chunks)
    text = (
        f"{conditions.spec.text}: {snapshot.documents} documents of {len(snapshot.chunks)} passages with {letters} "
        f"letters each, {len(questions)} questions such as: {asked}"
    )
    return tuple(float(number) for number in conditions.encoder.encode_queries([text])[0])
