/** Bare aedes with nothing behind it: what the broker alone can acknowledge. Prints `{"port": n}`. */
import net from 'node:net';
import { Aedes } from 'aedes';

const broker = await Aedes.createBroker({ concurrency: 0 });
const server = net.createServer({ noDelay: true }, broker.handle);
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: (server.address() as net.AddressInfo).port })));
process.once('SIGTERM', () => process.exit(0));
