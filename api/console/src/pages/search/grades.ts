/** What a person says of hits. */
export type Grade = 0 | 1;

/** The grades of one question, by document key. */
export type Grades = Readonly<Record<string, { grade: Grade; title: string; missing?: boolean }>>;
