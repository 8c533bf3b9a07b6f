/** Site and browser of one test file. */
import { type StaticServer, startStaticServer } from '../../support/static-server.ts';
import { faultSite } from './library.ts';
import { Profile, type ProfileOptions } from './profile.ts';

export interface Setting {
  /** Address of the page with `window.faultPage`. */
  readonly url: string;
  readonly origin: string;
  readonly server: StaticServer;
  readonly profile: Profile;
  /** A further browser on a profile of its own, closed with the setting. */
  further(options?: ProfileOptions): Promise<Profile>;
  close(): Promise<void>;
}

/** Serves the library as the sources have it and starts a browser. Takes some seconds. */
export async function openSetting(options: ProfileOptions = {}): Promise<Setting> {
  const server = await startStaticServer({}, await faultSite());
  const profiles: Profile[] = [];
  const further = async (more: ProfileOptions = {}): Promise<Profile> => {
    const profile = await Profile.open(more);
    profiles.push(profile);
    return profile;
  };
  try {
    const profile = await further(options);
    return {
      url: `${server.origin}/index.html`,
      origin: server.origin,
      server,
      profile,
      further,
      close: async () => {
        await Promise.all(profiles.map((each) => each.close()));
        await server.close();
      },
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}
