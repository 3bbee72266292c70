import { readFile } from 'node:fs/promises';
import path from 'node:path';

import { TideError } from '@tidegate/nodes/node';

import { codeOf } from '../error-code.ts';

/** Node-RED's user directory below a gateway's directory. */
export const USER_DIR = 'node-red';
export const FLOW_FILE = path.join(USER_DIR, 'flows.json');

/** A node of a flow file. */
export type FlowNode = Record<string, unknown> & { id: string; type: string };

/** The nodes of the gateway's flow file; none when there is no such file. */
export async function readFlow(directory: string): Promise<unknown[]> {
  const file = path.join(directory, FLOW_FILE);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
  return parseFlow(text, file);
}

/** The flow that a new gateway gets. In a build it lies beside this file, in the sources at the top of the repository. */
export async function shippedFlow(): Promise<FlowNode[]> {
  const beside = new URL(
    import.meta.url.endsWith('.ts') ? '../../../flows/gateway.json' : '../flows/gateway.json',
    import.meta.url,
  );
  return parseFlow(await readFile(beside, 'utf8'), beside.pathname) as FlowNode[];
}

function parseFlow(text: string, file: string): unknown[] {
  let flow: unknown;
  try {
    flow = JSON.parse(text);
  } catch (error) {
    throw new TideError('flow', `${file}: is no JSON; restore it from Node-RED's backup beside it`, { cause: error });
  }
  if (Array.isArray(flow)) return flow;
  throw new TideError('flow', `${file}: found ${typeof flow}, allowed: a list of nodes`);
}
