/** What HELLO says of the software that a gateway runs. */
export const SOFTWARE = 'tidegate/0.1.0';
