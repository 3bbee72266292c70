import fc from 'fast-check';

/** A property that says "up to 120 readings" means 120: without this fast-check draws about a dozen at most. */
fc.configureGlobal({ defaultSizeToMaxWhenMaxSpecified: true });
