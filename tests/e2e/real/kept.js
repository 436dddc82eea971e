// Node that keeps, or drops, things that its native libraries hold: `kept.js KIND leak|clean`.
// Says "ready" once it is warm, and its account as a line of JSON for each line that it reads.
'use strict';
const crypto = require('crypto');
const tls = require('tls');
const zlib = require('zlib');
const [kind, what] = process.argv.slice(2);
const leaks = what === 'leak';
const STEP_MS = 40;
const kept = [];
let n = 0;

function makeStream() {
	const stream = zlib.createDeflate();
	stream.write('some text');
	return stream;
}

function makeContext() {
	return tls.createSecureContext({});
}

function makeHash() {
	return crypto.createHash('sha256').update('some text');
}

function makeBuffer() {
	return Buffer.alloc(20000, 1);
}

const makers = { zlib: makeStream, tls: makeContext, hash: makeHash, buffer: makeBuffer };

function step() {
	const thing = makers[kind]();
	if (leaks)
		kept.push(thing);
	else if (kind === 'zlib')
		thing.close();
	if (++n === 25)
		console.log('ready');
}

const begun = performance.now();
function pace() {
	step();
	setTimeout(pace, Math.max(begun + n * STEP_MS - performance.now(), 0));
}

pace();
process.stdin.on('data', () => {
	console.log(JSON.stringify({ operations: n, kept: kept.length }));
});
process.stdin.on('end', () => process.exit(0));
