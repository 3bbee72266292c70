/** The part of Node-RED's embedding interface that the gateway uses (https://nodered.org/docs/user-guide/runtime/embedding). */
declare module 'node-red' {
  import type { IncomingMessage, Server, ServerResponse } from 'node:http';

  type Handler = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

  interface Runtime {
    init(server: Server, settings: Record<string, unknown>): void;
    start(): Promise<void>;
    stop(): Promise<void>;
    readonly httpAdmin: Handler;
    readonly httpNode: Handler;
    readonly events: {
      on(event: string, listener: (event: unknown) => void): void;
    };
  }

  const RED: Runtime;
  export default RED;
}
