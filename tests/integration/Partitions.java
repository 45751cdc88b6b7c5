// SPDX-License-Identifier: Apache-2.0
// Which partition Java's producer picks for each key: lines "key" in, "partition<TAB>key" out.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

public class Partitions {
    public static void main(String[] args) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        var out = new PrintStream(System.out, false, "UTF-8");
        List<String> keys = new ArrayList<>();
        for (String line; (line = lines.readLine()) != null; )
            keys.add(line);
        try (var producer = new KafkaProducer<>(Map.<String, Object>of("bootstrap.servers", args[0]),
                 new StringSerializer(), new StringSerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (String key : keys)
                sent.add(producer.send(new ProducerRecord<>(args[1], key, "from Java")));
            for (int i = 0; i < keys.size(); i++)
                out.println(sent.get(i).get().partition() + "\t" + keys.get(i));
        }
        out.flush();
    }
}
