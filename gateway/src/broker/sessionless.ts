/** A subscription in a SUBSCRIBE. */
interface Wanted {
  topic: string;
  qos: number;
}

/** Clients that are named in the log, each once. */
const MAX_NAMED = 1_000;

/**
 * Clients that ask for a session that outlives their connection (clean session off), where there is none. They are told so:
 * session present is 0, and a subscription of QoS 1 or 2 is granted as QoS 0 (OASIS MQTT 3.1.1, 3.8.4: a server may grant less).
 * A refusal (0x80) would be louder, but many clients never look at what is granted and would get nothing at all.
 */
export class Sessionless {
  /** Subscriptions that were lowered. */
  lowered = 0;
  private readonly asked = new WeakSet<object>();
  private readonly named = new Set<string>();
  private readonly log: (line: string) => void;

  constructor(log: (line: string) => void) {
    this.log = log;
  }

  /** A client has connected with clean session off. */
  add(client: object): void {
    this.asked.add(client);
  }

  /** Lowers what a client asks for, before it is handled. */
  lower(client: object, id: string, subscriptions: readonly Wanted[]): void {
    if (!this.asked.has(client)) return;
    for (const wanted of subscriptions) {
      if (wanted.qos === 0) continue;
      this.tell(id, wanted);
      this.lowered++;
      wanted.qos = 0;
    }
  }

  /** Whether a subscription may be granted as it stands: what could not be lowered is refused. */
  allows(client: object, qos: number): boolean {
    return qos === 0 || !this.asked.has(client);
  }

  private tell(id: string, { topic, qos }: Wanted): void {
    if (this.named.has(id) || this.named.size >= MAX_NAMED) return;
    this.named.add(id);
    this.log(
      `client ${quoted(id)} counts on a session that is kept while it is away (clean session off) for ${quoted(topic)}; ` +
        `this broker keeps none and granted QoS 0 instead of ${qos}. Turn clean session on in that client, and use retained ` +
        'messages or the readings in the vault for what it must not miss',
    );
  }
}

/** For a log line: short, and without line breaks of its own. */
export const quoted = (text: string): string => JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
