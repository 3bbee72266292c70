import type { Socket } from 'node:net';
import { createServer, type Server } from 'node:tls';
import { reasonOf } from './errors.ts';
import { TlsStore, type CertificateFacts, type TlsFiles } from './file-tls.ts';

/** Before a client that does not finish its handshake is cut off, ms. */
const HANDSHAKE_MS = 15_000;

export interface TlsListener {
  /** Does not listen yet. */
  server: Server;
  certificate: CertificateFacts;
}

/**
 * A server that speaks TLS and hands on each connection once its handshake is done. `files.caFile` are the authorities of
 * clients: with it, whoever shows no certificate of theirs gets in nowhere. Certificates that were renewed are taken up
 * by the next connection; when the new ones cannot be used, the old ones stay and `complain` hears why.
 */
export function tlsListener(
  files: TlsFiles & { certFile: string; keyFile: string },
  connected: (socket: Socket) => void,
  complain: (reason: string) => void,
): TlsListener {
  const store = new TlsStore(files);
  const mutual = files.caFile !== undefined;
  const material = store.read();
  const server = createServer(
    { ...material, requestCert: mutual, rejectUnauthorized: mutual, handshakeTimeout: HANDSHAKE_MS },
    connected,
  );
  // Before node:tls wraps the socket: this very connection gets the new certificate.
  server.prependListener('connection', () => {
    try {
      const changed = store.changed();
      if (changed !== undefined) server.setSecureContext(changed);
    } catch (error) {
      complain(`keeps the certificate that it has: ${reasonOf(error)}`);
    }
  });
  server.on('tlsClientError', (error, socket) => {
    complain(`refused a TLS connection: ${handshakeProblem(error)}`);
    socket.destroy();
  });
  return { server, certificate: store.certificate! };
}

function handshakeProblem(error: Error): string {
  const code = 'code' in error ? String(error.code) : '';
  if (/PEER_DID_NOT_RETURN_A_CERTIFICATE/.test(code)) return 'the client showed no certificate';
  if (/^(UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|CERT_UNTRUSTED)/.test(code))
    return 'the client’s certificate is from an authority that is not among the client CAs';
  if (code === 'CERT_HAS_EXPIRED') return 'the client’s certificate has expired, or the clock here is ahead';
  if (/HTTP_REQUEST|WRONG_VERSION_NUMBER|UNSUPPORTED_PROTOCOL/.test(code)) return 'the client does not speak TLS';
  if (/ALERT_UNKNOWN_CA|ALERT_BAD_CERTIFICATE/.test(code))
    return 'the client does not trust the certificate shown here';
  return code === 'ECONNRESET' ? 'the client hung up during the handshake' : reasonOf(error);
}
