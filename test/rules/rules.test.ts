/** Every file of questions and verdicts beside this one. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runExpectations } from '../../src/rules/expect.ts';
import { expandText, questions, readScenario, rewriteText, routeText } from './scenario.ts';

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.txt'));

describe.each(files)('%s', (name) => {
  const scenario = readScenario(readFileSync(join(import.meta.dirname, name), 'utf8'));

  it('tables', () => {
    const wanted = (scenario.sections.get('faults')?.text ?? '').split('\n').filter((line) => line.trim() !== '');
    const found = scenario.faults.map(
      (fault) => `${fault.file}:${fault.line}: ${fault.level === 'warning' ? 'warning: ' : ''}${fault.reason}`,
    );
    expect(found).toEqual(wanted);
  });

  const section = scenario.sections.get('expect');
  if (section !== undefined) {
    it('verdicts', () => {
      const text = '\n'.repeat(section.start) + section.text;
      const faults = runExpectations(name, text, scenario.rules, scenario.lookups);
      expect(faults.map((fault) => `${fault.file}:${fault.line}: ${fault.reason}`)).toEqual([]);
    });
  }

  for (const [kind, answer] of [
    ['expand', expandText],
    ['rewrite', rewriteText],
    ['route', routeText],
  ] as const) {
    if (!scenario.sections.has(kind)) continue;
    it(kind, () => {
      for (const { line, question, wanted } of questions(scenario, kind)) {
        expect(`${line}: ${question} -> ${answer(scenario, question)}`).toBe(`${line}: ${question} -> ${wanted}`);
      }
    });
  }
});
