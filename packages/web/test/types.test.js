// The types beside the program's answers, by the TypeScript compiler that TYPESCRIPT names.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { ask, here, scratch } from './program.js';

const compiler = process.env.TYPESCRIPT;
const folder = scratch();
after(() => rmSync(folder, { recursive: true }));

const compilerOptions = {
  strict: true, noEmit: true, target: 'es2022', module: 'es2022', moduleResolution: 'bundler', lib: ['es2022', 'dom'], types: [],
};

/** The compiler's complaints about a program that uses the package. */
function complaints(text) {
  const types = 'ClassifyAnswer, EmbedAnswer, FacesAnswer, MapAnswer, BlurAnswer';
  const module = JSON.stringify(join(here, 'lorgnette.js'));
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts'] }));
  writeFileSync(join(folder, 'program.ts'), `import { Lorgnette } from ${module};\nimport type { ${types} } from ${module};\n${text}`);
  const { stdout, status } = spawnSync(process.execPath, [compiler, '--project', folder], { encoding: 'utf8' });
  return status === 0 ? '' : stdout;
}

test('every answer of the program has the type that is promised', { skip: !compiler && 'not tried: TYPESCRIPT names no compiler' }, () => {
  const photo = 'photos/astronaut.jpg';
  const answers = {
    ClassifyAnswer: ask('classify', photo),
    EmbedAnswer: ask('embed', photo),
    FacesAnswer: ask('faces', photo),
    MapAnswer: ask('map', photo, '--scale', '0.5'),
    BlurAnswer: ask('blur', photo, '--faces', '--dry-run'),
  };
  const text = Object.entries(answers)
    .map(([type, answer]) => `export const of${type}: ${type} = ${JSON.stringify(answer)};\n`).join('');
  assert.equal(complaints(text), '');
  // A field more, or another type, is complained about.
  assert.match(complaints(text.replace('"width":', '"depth":1,"width":')), /depth/);
  assert.match(complaints(text.replace('"width":512', '"width":"512"')), /string/);
});

test('calls are typed', { skip: !compiler && 'not tried: TYPESCRIPT names no compiler' }, () => {
  const text = `
    const lorgnette = await Lorgnette.start({ threads: 2 });
    const model = await lorgnette.openModel(new Blob([]), { name: 'network.pb' });
    const { predictions } = await model.classify(new Blob([]), { top: 3 });
    export const probability: number = predictions[0]!.probability;
    export const overlay: Blob = (await model.map(new Blob([]), { overlay: true, outputStride: 16 })).overlay;
    export const threads: number = lorgnette.threads;
  `;
  assert.equal(complaints(text), '');
  assert.match(complaints(text.replace('outputStride: 16', 'outputStride: 17')), /17/);
});
