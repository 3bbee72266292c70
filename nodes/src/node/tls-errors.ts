/**
 * What went wrong in a TLS handshake, in words for whoever has to set it right. Codes are those of node:tls and of
 * OpenSSL's alerts (RFC 8446, section 6).
 */
const FAULTS: readonly [codes: RegExp, words: string][] = [
  [
    /^(UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|CERT_UNTRUSTED)$/,
    'the broker’s certificate is from an authority that is not trusted here; name its certificate as CA file',
  ],
  [/^CERT_HAS_EXPIRED$/, 'the broker’s certificate has expired, or the clock here is ahead'],
  [/^CERT_NOT_YET_VALID$/, 'the broker’s certificate is not valid yet, or the clock here is behind'],
  [/^(CERT_SIGNATURE_FAILURE|INVALID_CA|INVALID_PURPOSE)$/, 'the broker’s certificate is not one for a server'],
  [
    /ALERT_CERTIFICATE_REQUIRED|ALERT_HANDSHAKE_FAILURE/,
    'the broker wants a certificate of this end and got none that it takes; name certificate and key file',
  ],
  [/ALERT_UNKNOWN_CA/, 'the broker does not trust the authority of the certificate shown here'],
  [/ALERT_CERTIFICATE_EXPIRED/, 'the certificate shown to the broker has expired'],
  [
    /ALERT_(BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_REVOKED|CERTIFICATE_UNKNOWN|ACCESS_DENIED)|ALERT_DECRYPT_ERROR/,
    'the broker refused the certificate shown here',
  ],
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|UNSUPPORTED_PROTOCOL|HTTP_REQUEST/,
    'whoever answers there does not speak TLS; is it mqtt:// instead of mqtts://, or another port?',
  ],
];

/** Undefined for an error that is not of TLS. Whoever reads it has to do something: to try again alone does not help. */
export function tlsFault(error: Error): string | undefined {
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const host = 'host' in error ? String(error.host) : 'this name';
    return `the broker’s certificate is not for ${host}; connect by a name that it bears, or set that as server name`;
  }
  return FAULTS.find(([codes]) => codes.test(code))?.[1];
}
