// A node with workers that fills its heaps as told: "ready" when all are up; then for each line of
// standard input "COMMAND [N]" one line of JSON. Every isolate does what the line says and tells
// what it uses, "each" in order, and the sums. "now" asks nobody: each isolate notes what it uses
// at every step of its load, and how many steps it has made.
'use strict';
const wt = require('worker_threads');
const fs = require('fs');

const shared = wt.isMainThread ? new SharedArrayBuffer(24 * 64) : wt.workerData.shared;
const me = wt.isMainThread ? 0 : wt.workerData.me;
const notes = new Float64Array(shared);
let objects = [], buffers = [], wasm = [], timer = null;

function usage() {
  const m = process.memoryUsage();
  return { heapTotal: m.heapTotal, arrayBuffers: m.arrayBuffers };
}

function note() {
  const u = usage();
  notes[3 * me] = u.heapTotal;
  notes[3 * me + 1] = u.arrayBuffers;
  notes[3 * me + 2]++;
}

function work() {
  note();
  for (let i = 0; i < 2000; i++) objects.push({ a: i, b: 'x' + i, c: [i, i + 1] });
  if (objects.length > 200000) objects = [];
  buffers.push(Buffer.alloc(20000, 1));
  if (buffers.length > 500) buffers = [];
  note();
  timer = setTimeout(work, 5);
}

const commands = {
  objects(n) { for (let i = 0; i < n; i++) objects.push({ a: i, b: 'x' + i, c: [i, i + 1] }); },
  large(n) { for (let i = 0; i < n; i++) objects.push(new Array(1 << 17).fill(i + 0.5)); },
  buffers(n) { for (let i = 0; i < n; i++) buffers.push(Buffer.alloc(20000, 1)); },
  big(n) { for (let i = 0; i < n; i++) buffers.push(Buffer.alloc(1 << 20, 1)); },
  wasm(n) {
    for (let i = 0; i < n; i++) {
      const m = new WebAssembly.Memory({ initial: 160 });
      new Uint8Array(m.buffer).fill(1);
      wasm.push(m);
    }
  },
  drop() { objects = []; buffers = []; },
  gc() { global.gc(); },
  load() { work(); },
  usage() {},
};

function put(o) { fs.writeSync(1, (typeof o === 'string' ? o : JSON.stringify(o)) + '\n'); }

function sums(each) {
  const s = { heapTotal: 0, arrayBuffers: 0, each };
  for (const e of each) { s.heapTotal += e.heapTotal; s.arrayBuffers += e.arrayBuffers; }
  return s;
}

function noted(n) {
  const each = [];
  for (let i = 0; i < n; i++)
    each.push({ heapTotal: notes[3 * i], arrayBuffers: notes[3 * i + 1], steps: notes[3 * i + 2] });
  return sums(each);
}

function main(n) {
  const workers = [], each = [];
  let up = 0, waiting = 0, rest = '';
  const told = (who, u) => { each[who] = u; if (--waiting === 0) put(sums(each)); };
  for (let i = 1; i <= n; i++) {
    const w = new wt.Worker(__filename, { workerData: { shared, me: i } });
    w.on('message', (m) => { if (m !== 'up') told(i, m); else if (++up === n) put('ready'); });
    workers.push(w);
  }
  process.stdin.on('end', () => process.exit(0));
  process.stdin.on('data', (data) => {
    const lines = (rest + data).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      const [command, count] = line.split(' ');
      if (command === 'now') { put(noted(n + 1)); continue; }
      waiting = n + 1;
      for (const w of workers) w.postMessage([command, +count]);
      commands[command](+count);
      told(0, usage());
    }
  });
}

if (wt.isMainThread) {
  main(+process.argv[2]);
} else {
  wt.parentPort.on('message', ([command, n]) => {
    commands[command](n);
    wt.parentPort.postMessage(usage());
  });
  wt.parentPort.postMessage('up');
}
