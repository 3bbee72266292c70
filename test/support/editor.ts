import type { Locator, Page } from 'playwright-core';

/** Node-RED's flow editor, used as a person does: with the mouse, in its forms, by what can be seen. */
export class FlowEditor {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async open(url: string): Promise<void> {
    await this.page.goto(url);
    await this.palette('inject').waitFor();
  }

  /** Drags a node from the palette to a place on the workspace, in pixels from its corner; its id. */
  async drop(type: string, x: number, y: number): Promise<string> {
    const before = await this.ids();
    const workspace = await boxOf(this.page.locator('#red-ui-workspace-chart'));
    await this.palette(type).scrollIntoViewIfNeeded();
    await this.drag(await middleOf(this.palette(type)), { x: workspace.x + x, y: workspace.y + y });
    await this.page.locator('.red-ui-flow-node-group').nth(before.length).waitFor();
    const added = (await this.ids()).filter((id) => !before.includes(id));
    if (added.length !== 1) throw new Error(`dropping ${type} added ${added.length} nodes`);
    return added[0];
  }

  /** Draws a wire from an output (0 is the first) to the input of another node. */
  async wire(from: string, output: number, to: string): Promise<void> {
    const wires = this.page.locator('.red-ui-flow-link');
    const before = await wires.count();
    const start = this.node(from).locator('.red-ui-flow-port-output .red-ui-flow-port').nth(output);
    const end = this.node(to).locator('.red-ui-flow-port-input .red-ui-flow-port');
    await this.drag(await middleOf(start), await middleOf(end));
    await wires.nth(before).waitFor({ state: 'attached' });
  }

  /** Opens the form of a node; `fill` fills it in; then Done. */
  async edit(id: string, fill: () => Promise<void>): Promise<void> {
    const done = this.page.locator('#node-dialog-ok');
    await this.page.locator('.red-ui-tray').waitFor({ state: 'detached' });
    const middle = await middleOf(this.node(id).locator('rect.red-ui-flow-node'));
    await this.page.mouse.dblclick(middle.x, middle.y);
    await done.waitFor();
    await fill();
    await done.click();
    await done.waitFor({ state: 'detached' });
  }

  /** In an open form: makes a configuration node for a property. */
  async addConfig(property: string, fill: () => Promise<void>): Promise<void> {
    const done = this.page.locator('#node-config-dialog-ok');
    await this.page.locator(`#node-input-btn-${property}-add`).click();
    await done.waitFor();
    await fill();
    await done.click();
    await done.waitFor({ state: 'detached' });
    await this.page.locator('#node-dialog-ok').waitFor();
  }

  field(property: string, within: 'input' | 'config-input' = 'input'): Locator {
    return this.page.locator(`#node-${within}-${property}`);
  }

  /** Chooses the one configuration node that there is. */
  async chooseConfig(property: string, within: 'input' | 'config-input' = 'input'): Promise<void> {
    const select = this.page.locator(`select#node-${within}-${property}`);
    const options = await select.locator('option').evaluateAll((all) => all.map((one) => one.getAttribute('value')));
    const nodes = options.flatMap((value) => (value !== null && /^[0-9a-f]{16}$/.test(value) ? [value] : []));
    if (nodes.length !== 1) throw new Error(`${property} offers ${nodes.length} configuration nodes`);
    await select.selectOption(nodes);
  }

  async deploy(): Promise<void> {
    await this.page.locator('#red-ui-header-button-deploy').click();
    await this.page.getByText('Successfully deployed').waitFor();
  }

  /** The status line under a node. */
  status(id: string): Locator {
    return this.node(id).locator('.red-ui-flow-node-status-label');
  }

  /** Whether the editor marks the node as wrongly configured. */
  async isInvalid(id: string): Promise<boolean> {
    return this.node(id).locator('.red-ui-flow-node-error:not(.hide)').isVisible();
  }

  node(id: string): Locator {
    return this.page.locator(`g[id="${id}"]`);
  }

  private palette(type: string): Locator {
    return this.page.locator(`.red-ui-palette-node[data-palette-type="${type}"]`);
  }

  private ids(): Promise<string[]> {
    return this.page.locator('.red-ui-flow-node-group').evaluateAll((nodes) => nodes.map(({ id }) => id));
  }

  private async drag(from: Point, to: Point): Promise<void> {
    const { mouse } = this.page;
    await mouse.move(from.x, from.y);
    await mouse.down();
    await mouse.move((from.x + to.x) / 2, (from.y + to.y) / 2, { steps: 5 });
    await mouse.move(to.x, to.y, { steps: 5 });
    await mouse.up();
  }
}

interface Point {
  x: number;
  y: number;
}

async function boxOf(element: Locator): Promise<{ x: number; y: number; width: number; height: number }> {
  const box = await element.boundingBox();
  if (box === null) throw new Error(`${element.toString()} is not to be seen`);
  return box;
}

async function middleOf(element: Locator): Promise<Point> {
  const { x, y, width, height } = await boxOf(element);
  return { x: x + width / 2, y: y + height / 2 };
}
