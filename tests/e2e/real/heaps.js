// A node with workers that fills its heaps as told: "ready" when all are up; then for each line of
// standard input "COMMAND [N]" one line of JSON. Every isolate does what the line says and tells
// what it uses, "each" in order, and the sums. Under load each notes some hundred times a second
// what it uses; "around BEGUN DONE", in ns of the monotonic clock, asks nobody and tells the sums of
// the least and of the most that each noted from its last note before BEGUN to its first one after
// DONE, once all have made that.
'use strict';
const wt = require('worker_threads');
const fs = require('fs');

const NOTES = 4096, FIELDS = 4; // of each isolate; a note: from when, heapTotal, arrayBuffers, to when
const ROOM = 1 + NOTES * FIELDS; // the number of notes made, and the last ones
const shared = wt.isMainThread ? new SharedArrayBuffer(8 * ROOM * (1 + +process.argv[2]))
  : wt.workerData.shared;
const me = wt.isMainThread ? 0 : wt.workerData.me;
const notes = new Float64Array(shared);
let objects = [], buffers = [], wasm = [];

function usage() {
  const m = process.memoryUsage();
  return { heapTotal: m.heapTotal, arrayBuffers: m.arrayBuffers };
}

const now = () => Number(process.hrtime.bigint());
const place = (who, n) => who * ROOM + 1 + (n % NOTES) * FIELDS;

function note() {
  const at = place(me, notes[me * ROOM]);
  notes[at] = now();
  const u = usage();
  notes[at + 1] = u.heapTotal;
  notes[at + 2] = u.arrayBuffers;
  notes[at + 3] = now();
  notes[me * ROOM]++;
}

function work() {
  for (let i = 0; i < 2000; i++) {
    if (i % 100 === 0) note();
    objects.push({ a: i, b: 'x' + i, c: [i, i + 1] });
  }
  if (objects.length > 200000) objects = [];
  buffers.push(Buffer.alloc(20000, 1));
  if (buffers.length > 500) buffers = [];
  note();
  setTimeout(work, 5);
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

// The notes of one isolate around a time, as [heapTotal, arrayBuffers] each.
function notedBy(who, begun, done) {
  const count = notes[who * ROOM], least = Math.max(0, count - NOTES + 64), found = [];
  let n = count - 1;
  if (n < 0 || notes[place(who, n)] < done) return null;
  while (n > least && notes[place(who, n - 1)] >= done) n--;
  for (; n >= least; n--) {
    const at = place(who, n);
    found.push([notes[at + 1], notes[at + 2]]);
    if (notes[at + 3] <= begun) return found;
  }
  throw new Error('too long ago: the notes of it are gone');
}

function around(isolates, begun, done) {
  const low = { heapTotal: 0, arrayBuffers: 0 }, high = { heapTotal: 0, arrayBuffers: 0 };
  for (let i = 0; i < isolates; i++) {
    const found = notedBy(i, begun, done);
    if (!found) return null;
    ['heapTotal', 'arrayBuffers'].forEach((what, k) => {
      low[what] += Math.min(...found.map((f) => f[k]));
      high[what] += Math.max(...found.map((f) => f[k]));
    });
  }
  return { low, high };
}

function putAround(isolates, begun, done) {
  const sums = around(isolates, begun, done);
  if (sums) put(sums);
  else setTimeout(putAround, 2, isolates, begun, done);
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
      const [command, count, done] = line.split(' ');
      if (command === 'around') { putAround(n + 1, +count, +done); continue; }
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
