'use strict';
// node --require testdata/patient.js: the helper has BUDGET ms, or twenty seconds, for what it does in one otherwise, which
// is too short on a busy machine.
const assert = require('node:assert');
const Module = require('node:module');

const { _compile } = Module.prototype;
Module.prototype._compile = function compile(text, file, ...rest) {
  if (!file.endsWith('fedscrape_worker.js')) return _compile.call(this, text, file, ...rest);
  const patient = text.replace('const BUDGET = 1000;', `const BUDGET = ${process.env.BUDGET || 20000};`);
  assert.notStrictEqual(patient, text);
  return _compile.call(this, patient, file, ...rest);
};
