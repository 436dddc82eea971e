// Holds objects and Buffers; twice as many after each line that it reads.
'use strict';
const objects = [], buffers = [];

function hold(n) {
	for (let i = 0; i < n; i++) {
		objects.push({ i, text: 'object ' + i });
		if (i % 100 === 0)
			buffers.push(Buffer.alloc(20000, 1));
	}
}

hold(100000);
console.log('ready');
process.stdin.on('data', () => {
	hold(objects.length);
	console.log(JSON.stringify(process.memoryUsage()) + '\ndone');
});
process.stdin.on('end', () => process.exit(0));
