import { render } from 'preact';

import { html } from './html.ts';
import { live } from './live.ts';
import { Shell } from './shell.ts';

const page = document.getElementById('page')!;
page.textContent = '';
live.start();
render(html`<${Shell} />`, page);
