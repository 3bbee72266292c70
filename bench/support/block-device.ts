import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/**
 * A block device of our own with an ext4 file system on it, so that the kernel's count of sectors written is ours alone:
 * data, file system journal and metadata. Backed by memory; needs root, mkfs.ext4 and a free loop device.
 */
export class BlockDevice {
  readonly mount: string;
  private readonly image: string;
  private readonly device: string;

  private constructor(mount: string, image: string, device: string) {
    this.mount = mount;
    this.image = image;
    this.device = device;
  }

  /** Throws when the machine does not let us. */
  static make(bytes: number): BlockDevice {
    const where = existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
    const image = path.join(mkdtempSync(path.join(where, 'tidegate-device-')), 'image');
    const mount = mkdtempSync(path.join(os.tmpdir(), 'tidegate-mount-'));
    try {
      writeFileSync(image, '');
      truncateSync(image, bytes);
      call('mkfs.ext4', '-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image);
      const device = call('losetup', '--find', '--show', image).trim();
      try {
        call('mount', device, mount);
      } catch (error) {
        call('losetup', '--detach', device);
        throw error;
      }
      return new BlockDevice(mount, image, path.basename(device));
    } catch (error) {
      rmSync(path.dirname(image), { recursive: true, force: true });
      rmSync(mount, { recursive: true, force: true });
      throw error;
    }
  }

  /** Bytes that the kernel wrote to the device since it exists; what is still on its way is written first. */
  written(): number {
    call('sync', '--file-system', this.mount);
    const fields = readFileSync(`/sys/block/${this.device}/stat`, 'utf8').trim().split(/\s+/);
    return Number(fields[6]) * 512;
  }

  remove(): void {
    call('umount', this.mount);
    call('losetup', '--detach', `/dev/${this.device}`);
    rmSync(path.dirname(this.image), { recursive: true, force: true });
    rmSync(this.mount, { recursive: true, force: true });
  }
}

function call(program: string, ...args: string[]): string {
  // Administrators' programs lie where a user's PATH does not look.
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` };
  return execFileSync(program, args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] });
}
