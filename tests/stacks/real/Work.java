// Ordinary work in Java that reaches native code from interpreted and compiled methods: says
// "ready" once it is warm, ends with its input.
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;

public class Work {
	static final long STEP_NS = 10_000_000;
	static final List<Object> recent = new ArrayList<>();

	interface Task {
		long run(int n) throws Exception;
	}

	static long gzip(int n) throws Exception {
		ByteArrayOutputStream out = new ByteArrayOutputStream();
		try (GZIPOutputStream zip = new GZIPOutputStream(out)) {
			zip.write("line of text ".repeat(n % 50 + 1).getBytes());
		}
		return new GZIPInputStream(new ByteArrayInputStream(out.toByteArray())).readAllBytes().length;
	}

	static long deflate(int n) {
		Deflater d = new Deflater(n % 9);
		d.setInput(new byte[1000 + n % 100]);
		d.finish();
		long made = d.deflate(new byte[4096]);
		d.end();
		return made;
	}

	static long direct(int n) {
		return ByteBuffer.allocateDirect(1000 + n % 1000).putInt(n).position();
	}

	static long nested(Task task, int n, int depth) throws Exception {
		return depth == 0 ? task.run(n) : 1 + nested(task, n, depth - 1);
	}

	static long list(int n) throws Exception {
		return new File("/proc/self").list().length + InetAddress.getByName("127.0.0.1").hashCode();
	}

	static final Task[] tasks = { Work::gzip, Work::deflate, Work::direct, Work::list };

	static void work() throws Exception {
		long begun = System.nanoTime();
		for (int n = 0;; n++) {
			for (int i = 0; i < 8; i++)
				recent.add(nested(tasks[(n + i) % tasks.length], n + i, (n + i) % 20));
			if (recent.size() > 1000)
				recent.clear();
			if (n % 50 == 49)
				new Thread(() -> new CRC32().update(1)).start();
			if (n == 300)
				System.out.println("ready");
			long ahead = begun + (n + 1) * STEP_NS - System.nanoTime();
			if (ahead > 0)
				Thread.sleep(ahead / 1_000_000, (int) (ahead % 1_000_000));
		}
	}

	public static void main(String[] args) throws Exception {
		Thread worker = new Thread(() -> {
			try {
				work();
			} catch (Exception e) {
				throw new RuntimeException(e);
			}
		});
		worker.setDaemon(true);
		worker.start();
		while (System.in.read() >= 0)
			;
		System.exit(0);
	}
}
