/** Where the server has the console. */
export const BASE = "/console";
