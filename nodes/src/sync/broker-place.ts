import { TideError } from '../node/errors.ts';
import type { TlsFiles } from '../node/file-tls.ts';

export interface BrokerOptions {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`. */
  url: string;
  username?: string;
  password?: string;
  /** Authorities to trust instead of the machine's own, and the certificate that this gateway shows. For TLS only. */
  tls?: TlsFiles;
  /** The name that the broker's certificate must bear; without it that of the URL. */
  serverName?: string;
}

/** Whether a broker's URL asks for TLS. */
export function isSecure(url: string): boolean {
  return ['mqtts:', 'wss:'].includes(new URL(url).protocol);
}

/** Throws TideError `bad-broker`. */
export function checkBroker({ url, tls, serverName }: BrokerOptions): void {
  checkBrokerUrl(url);
  if (isSecure(url)) return;
  if (serverName !== undefined || Object.values(tls ?? {}).some((file) => file !== undefined))
    throw new TideError(
      'bad-broker',
      `broker "${url.slice(0, 200)}" speaks no TLS, but a certificate or a server name is set; write mqtts:// or wss://`,
    );
}

/** Throws TideError `bad-broker`. */
export function checkBrokerUrl(url: string): void {
  let protocol: string;
  try {
    ({ protocol } = new URL(url));
  } catch (error) {
    throw new TideError(
      'bad-broker',
      `broker "${url.slice(0, 200)}" is no URL; write e.g. mqtts://cloud.example:8883`,
      {
        cause: error,
      },
    );
  }
  if (!['mqtt:', 'mqtts:', 'ws:', 'wss:'].includes(protocol))
    throw new TideError('bad-broker', `broker "${url.slice(0, 200)}": mqtt, mqtts, ws and wss are allowed`);
}
