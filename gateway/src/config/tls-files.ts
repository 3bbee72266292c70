import path from 'node:path';

import type { GatewayConfig } from './schema.ts';

/** Files of the listener for sensors, with paths made absolute; undefined when there is none. */
export function listenerFilesOf(
  directory: string,
  { tls }: GatewayConfig['mqtt'],
): { certFile: string; keyFile: string; caFile?: string } | undefined {
  if (tls === undefined) return undefined;
  const { certFile, keyFile, clientCaFile } = tls;
  return {
    certFile: path.resolve(directory, certFile),
    keyFile: path.resolve(directory, keyFile),
    ...(clientCaFile === undefined ? {} : { caFile: path.resolve(directory, clientCaFile) }),
  };
}

/** Variables of the environment by which the flow finds the cloud, empty where nothing is set. */
export function cloudVariables(directory: string, cloud: GatewayConfig['cloud']): Record<string, string> {
  const { broker = '', caFile, certFile, keyFile, serverName = '' } = cloud;
  const place = (file: string | undefined): string => (file === undefined ? '' : path.resolve(directory, file));
  return {
    TIDEGATE_CLOUD_BROKER: broker,
    TIDEGATE_CLOUD_CA_FILE: place(caFile),
    TIDEGATE_CLOUD_CERT_FILE: place(certFile),
    TIDEGATE_CLOUD_KEY_FILE: place(keyFile),
    TIDEGATE_CLOUD_SERVER_NAME: serverName,
  };
}
