/**
 * One companion for each owner (one Outgoing for a vault, one Bridge for a vault), the same for the whole process.
 * Kept under a global symbol, because a gateway that runs from sources and Node-RED that loads the built nodes hold
 * two copies of this module, and two Outgoings of one vault would disagree about its grants.
 */
export function companions<Owner extends object, Companion>(name: string): WeakMap<Owner, Companion> {
  const shelf = globalThis as { [key: symbol]: WeakMap<Owner, Companion> | undefined };
  return (shelf[Symbol.for(`tidegate.${name}`)] ??= new WeakMap<Owner, Companion>());
}
