import { InvalidArgumentError, type Command } from 'commander';

export const DEFAULT_DIRECTORY = 'tidegate-cloud';

export function addDirectory(command: Command): Command {
  return command.option('--dir <dir>', 'where database and keys lie', DEFAULT_DIRECTORY);
}

export function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new InvalidArgumentError('allowed: 0..65535');
  return port;
}

/** The broker's URL with the login from the environment, which does not show in the list of processes. */
export function withBrokerLogin(broker: string, env: NodeJS.ProcessEnv): string {
  const { TIDEGATE_BROKER_USERNAME: username, TIDEGATE_BROKER_PASSWORD: password } = env;
  if (username === undefined || !URL.canParse(broker)) return broker;
  const url = new URL(broker);
  url.username = encodeURIComponent(username);
  url.password = encodeURIComponent(password ?? '');
  return url.href;
}
