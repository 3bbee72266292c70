/** First topic level that belongs to the gateway: what is published there is passed on, but never taken in as readings. */
export const OWN_TOPICS = 'tide/';

/** Bytes of a topic and of control packets that a packet may have beside its payload. */
const HEADROOM = 131_072;

/**
 * Largest MQTT packet that is read at all. Well above the largest payload that is accepted, so that a message that is
 * somewhat too large is answered with a reason (a rejection) and only an absurd one with a closed connection.
 */
export const packetLimit = (payloadBytes: number): number => 4 * payloadBytes + HEADROOM;

/** Largest packet of a client that has not yet said who it is: a CONNECT with a will. */
export const FIRST_PACKET_LIMIT = HEADROOM;
