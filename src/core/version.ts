/** The version of package.json, put in by the build and by the test runner. */
declare const TMAIL_VERSION: string;
export const VERSION = TMAIL_VERSION;
