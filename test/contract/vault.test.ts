import { openLocalVault, openVault } from '@tidegate/nodes/vault';
import { vaultContract } from './vault.ts';

vaultContract('the engine on this thread', openLocalVault);
vaultContract('the engine in a thread of its own', (options) => openVault(options));
