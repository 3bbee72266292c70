import { TideError } from '@tidegate/nodes/node';

/** Adds to the error of a port in use which option chooses another. */
export async function namingOption<T>(starting: Promise<T>, option: string): Promise<T> {
  try {
    return await starting;
  } catch (error) {
    if (!(error instanceof TideError) || error.code !== 'port-in-use') throw error;
    throw new TideError(error.code, `${error.message}; choose another port with ${option} (0 takes a free one)`, {
      cause: error,
    });
  }
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}
