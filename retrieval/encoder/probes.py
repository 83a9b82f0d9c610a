"""Texts on which an exported model is compared with its source: short, long, other scripts, numbers, code, nothing."""

from __future__ import annotations

PROBES = (
    "",
    "refund policy",
    "How many days of paid leave does a new employee get in the first year?",
    "The pump AX-1200 runs at 2,950 rpm and 7.5 bar; replace seal kit no. 44-B every 6,000 hours.",
    "Statin use after a diagnosis of breast cancer and survival: a population-based cohort study.",
    "SELECT name, price FROM products WHERE stock > 0 ORDER BY price DESC LIMIT 10;",
    "新员工第一年有多少天带薪年假？",
    "Das Lager in Hamburg öffnet um 7 Uhr; Lieferungen nach 16 Uhr werden am nächsten Tag gebucht.",
    "Invoices over 10,000 EUR need two signatures. The second comes from the controller of the cost centre. "
    "When neither is present, the deputy named in the delegation list signs, and the list is renewed each January.",
    "Water is taken up by the roots of a plant and rises through the xylem. Warm air and wind draw it out of the "
    "leaves, so that the column is pulled upward. At night the openings of the leaves close and the flow nearly stops. "
    "Minerals travel the same way, while sugars made in the leaves go down through the phloem to roots and fruit. " * 4,
)
