/** In CI every run of the property tests tries the same cases, so that two runs of one commit agree; by hand each tries new ones. */
import fc from 'fast-check';

if (process.env.CI === 'true') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: 20261125 });
