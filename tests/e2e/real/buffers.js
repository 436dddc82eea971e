// A Node program with ordinary work and Buffers: `buffers.js leak|clean`.
// Says "ready" once it is warm, and its account as a line of JSON for each line that it reads. With
// --expose-gc it collects once a second: what waits for the collector stays little beside what is
// kept, and the two can be told apart.
'use strict';
const leaks = process.argv[2] === 'leak';
const STEP_MS = 10;
const SIZE = 20000;
const kept = new Map();
const sessions = new Map();
let n = 0;
let operations = 0;

function makeBuffer(i) {
	return i % 2 ? Buffer.alloc(SIZE, 1) : Buffer.allocUnsafeSlow(SIZE).fill(2);
}

// What a server does for a request: parse, look up, answer, forget.
function request(i) {
	const items = Array.from({ length: i % 50 }, (_, k) => 'item ' + k);
	const body = JSON.stringify({ id: i, items });
	const raw = Buffer.concat([Buffer.from('POST / HTTP/1.1\r\n\r\n'), Buffer.from(body)]);
	const parsed = JSON.parse(raw.toString('utf8', raw.indexOf('\r\n\r\n') + 4));
	sessions.set(i % 1000, parsed);
	return makeBuffer(i).length + parsed.items.length;
}

function step() {
	for (let i = 0; i < 5; i++)
		request(n * 5 + i);
	for (let i = 0; i < 2; i++) {
		const b = makeBuffer(operations++);
		if (leaks)
			kept.set(operations, b);
	}
	if (++n === 600)
		console.log('ready');
	if (globalThis.gc && n % 100 === 0)
		gc();
}

// Every STEP_MS on average, also where the machine is busy at times.
const begun = performance.now();
function pace() {
	step();
	setTimeout(pace, Math.max(begun + n * STEP_MS - performance.now(), 0));
}

pace();
process.stdin.on('data', () => {
	console.log(JSON.stringify({ operations, bytes: kept.size * SIZE }));
});
process.stdin.on('end', () => process.exit(0));
