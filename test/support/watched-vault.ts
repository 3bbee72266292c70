import type { Vault } from '@tidegate/nodes/vault';

/**
 * The vault, with whoever watches between it and its user: `around` gets each call, by the path of its method
 * (`outbox.peek`), and decides what comes of it.
 */
export function watchedVault(
  vault: Vault,
  around: (method: string, parameters: readonly unknown[], run: () => unknown) => unknown,
): Vault {
  const wrap = <T extends object>(target: T, path: string): T => {
    const views = new Map<string | symbol, unknown>();
    return new Proxy(target, {
      get(object, property) {
        const known = views.get(property);
        if (known !== undefined) return known;
        const member: unknown = Reflect.get(object, property, object);
        const name = `${path}${String(property)}`;
        if (typeof member === 'object' && member !== null) {
          const view = wrap(member, `${name}.`);
          views.set(property, view);
          return view;
        }
        if (typeof member !== 'function') return member;
        const view = (...parameters: unknown[]): unknown =>
          around(name, parameters, () => Reflect.apply(member, object, parameters));
        views.set(property, view);
        return view;
      },
    });
  };
  return wrap(vault, '');
}
