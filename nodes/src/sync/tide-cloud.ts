import { TideError } from '../node/errors.ts';
import type { TlsFiles } from '../node/file-tls.ts';
import type { Node, NodeDefinition, NodeRed } from '../node/node-red.ts';
import { vaultOf } from '../node/vault-of.ts';
import type { Vault } from '../vault/vault.ts';
import { loadEnrolment, storeEnrolment, type Enrolment } from './enrolment-store.ts';
import { checkBroker, type BrokerOptions } from './broker-place.ts';

interface TideCloudDefinition extends NodeDefinition {
  /** Id of the tide-vault that keeps the gateway's identity. */
  vault: string;
  /** URL of the cloud's broker; empty: the one that the token names. */
  broker: string;
  /** File with the certificates to trust, PEM; empty: the machine's own. */
  caFile: string;
  /** Files with the certificate that the gateway shows and its key, PEM; empty: none. */
  certFile?: string;
  keyFile?: string;
  /** The name that the broker's certificate bears; empty: that of the URL. */
  serverName?: string;
}

/** Where a gateway is enrolled and how to get there. */
export interface CloudPlace {
  enrolment: Enrolment;
  broker: BrokerOptions;
}

/** The part of a tide-cloud node that tide-bridge uses. */
export interface TideCloudNode extends Node {
  vault(): Promise<Vault>;
  /** Takes in a token that is new, and says where to go; undefined while the gateway is not enrolled anywhere. */
  place(vault: Vault): Promise<CloudPlace | undefined>;
}

export default function (RED: NodeRed): void {
  function TideCloud(this: Node, definition: TideCloudDefinition): void {
    RED.nodes.createNode(this, definition);
    const { token, user, password } = this.credentials ?? {};
    const vault: TideCloudNode['vault'] = () => vaultOf(RED, definition.vault);
    const place: TideCloudNode['place'] = async (vault) => {
      const enrolment = await (isSet(token) ? storeEnrolment(vault, token) : loadEnrolment(vault));
      if (enrolment === undefined) return undefined;
      const tls = tlsOf(definition);
      const { serverName } = definition;
      const broker: BrokerOptions = {
        url: brokerOf(definition, enrolment),
        ...(isSet(user) ? { username: user } : {}),
        ...(isSet(password) ? { password } : {}),
        ...(Object.keys(tls).length > 0 ? { tls } : {}),
        ...(isSet(serverName) ? { serverName: serverName.trim() } : {}),
      };
      checkBroker(broker);
      return { enrolment, broker };
    };
    Object.assign(this, { vault, place });
  }
  RED.nodes.registerType('tide-cloud', TideCloud, {
    credentials: { token: { type: 'password' }, user: { type: 'text' }, password: { type: 'password' } },
  });
}

/** Node-RED leaves `${NAME}` standing when the environment has no such variable. */
function isSet(text: string | undefined): text is string {
  return text !== undefined && text.trim() !== '' && !/^\$\{[^}]*\}$/.test(text.trim());
}

function brokerOf({ broker }: TideCloudDefinition, enrolment: Enrolment): string {
  const url = isSet(broker) ? broker.trim() : enrolment.broker;
  if (url === undefined)
    throw new TideError('no-broker', 'the token names no broker; enter the URL of the cloud’s broker in tide-cloud');
  return url;
}

/** Paths only: what they lead to is read at each connection. */
function tlsOf({ caFile, certFile, keyFile }: TideCloudDefinition): TlsFiles {
  return {
    ...(isSet(caFile) ? { caFile: caFile.trim() } : {}),
    ...(isSet(certFile) ? { certFile: certFile.trim() } : {}),
    ...(isSet(keyFile) ? { keyFile: keyFile.trim() } : {}),
  };
}
