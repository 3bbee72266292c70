import { accessSync, constants } from 'node:fs';
import path from 'node:path';

interface Tool {
  /** Environment variable that names the program, before everything else. */
  variable: string;
  /** Names under which it is looked for on the PATH and in the usual folders. */
  names: readonly string[];
  /** Debian package. */
  debian: string;
}

const TOOLS = {
  age: { variable: 'AGE', names: ['age'], debian: 'age' },
  chromium: { variable: 'CHROMIUM', names: ['chromium', 'chromium-browser', 'google-chrome'], debian: 'chromium' },
  gcc: { variable: 'CC', names: ['gcc', 'cc'], debian: 'gcc libc6-dev' },
  mosquitto: { variable: 'MOSQUITTO', names: ['mosquitto'], debian: 'mosquitto' },
  openssl: { variable: 'OPENSSL', names: ['openssl'], debian: 'openssl' },
  strings: { variable: 'STRINGS', names: ['strings'], debian: 'binutils' },
  tcpdump: { variable: 'TCPDUMP', names: ['tcpdump'], debian: 'tcpdump' },
} satisfies Record<string, Tool>;

export type ToolName = keyof typeof TOOLS;

/**
 * Path of a program that npm does not carry. Where it is missing the test says so loudly and is pending; in CI (CI or
 * TIDEGATE_REQUIRE_TOOLS is set) it fails, because there everything has to be run.
 */
export function needTool(context: Mocha.Context, name: ToolName): string {
  const found = findTool(name);
  if (found !== null) return found;
  const { debian, variable } = TOOLS[name];
  const words =
    `${name} was not found on the PATH. Get it with "sudo apt-get update && sudo apt-get install -y ${debian}", ` +
    `or name it in the environment variable ${variable}`;
  if (required()) throw new Error(words);
  const test = context.test?.fullTitle() ?? 'a test';
  console.warn(`\n  NOT RUN: ${test}\n           ${words}.\n`);
  return context.skip();
}

/** As `needTool`, for tests that are to fail where the program is missing. */
export function mustHaveTool(name: ToolName): string {
  const found = findTool(name);
  if (found !== null) return found;
  throw new Error(`${name} was not found on the PATH: sudo apt-get install -y ${TOOLS[name].debian}`);
}

export function findTool(name: ToolName): string | null {
  const { variable, names } = TOOLS[name];
  const named = process.env[variable];
  if (named !== undefined && named !== '') {
    if (isProgram(named)) return named;
    throw new Error(`${variable} names "${named}", which is not a program that can be run`);
  }
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/bin', '/usr/sbin', '/usr/local/sbin'];
  for (const folder of folders) {
    for (const one of names) if (folder !== '' && isProgram(path.join(folder, one))) return path.join(folder, one);
  }
  return null;
}

function required(): boolean {
  return ['CI', 'TIDEGATE_REQUIRE_TOOLS'].some((name) => !['', '0', 'false'].includes(process.env[name] ?? ''));
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
