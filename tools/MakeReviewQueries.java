import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Writes {@code queries.jsonl} beside the example reviews: what somebody might look for, each with
 * the review of {@code test.csv} that tells it in other words, and three other reviews, so that all
 * reviews of the file are among those to be searched. The Attune authors wrote the queries.
 *
 * <p>Run: {@code java tools/MakeReviewQueries.java examples/reviews}. The same bytes every time.
 */
public final class MakeReviewQueries {
  private static final int OTHERS = 3;

  /** A query, then how its review begins. */
  private static final String[][] QUERIES = {
    {"loudspeaker that survives being dropped", "Speaker fell down two flights"},
    {"the insurer would not pay after water damage", "Customer for fourteen years"},
    {"skin got worse from the face cream", "Blackheads multiplied"},
    {"bicycle came with parts missing", "Delivered without pedals"},
    {"could not open my luggage on vacation", "Lock came set to a code"},
    {"holes in the socks after a short time", "Toe hole by week five"},
    {"GPS collar for pets does not find them", "So the tracker works everywhere"},
    {"video game that moved me to tears", "Cried at the ending"},
    {"teacher who makes a dry subject interesting", "Bravo to the tutor"},
    {"electronic door would not let me back into my home", "Smart lock locked me out"},
    {"insects come through the mesh", "Mosquito net with holes"},
    {"roadside assistance that was kind", "the insurance lady stayed"},
    {"they keep charging after I cancelled", "Cancelled, resubscribed"},
    {"tool for pulling up dandelions", "Not one stubborn weed"},
    {"dog toy destroyed at once", "Biting through this supposedly"},
    {"building bricks for children", "A warning to parents"},
    {"pet refuses to eat this", "Whiskers sniffed it"},
    {"alarm camera with false alarms", "Motion alerts for rain"},
    {"earbuds need charging too often", "Wireless they said"},
    {"refrigerator is noisy", "Fridge hums so loudly"},
    {"coffee maker drips water on the floor", "Edit: third month, second leak"},
    {"comfortable seat for outdoors", "Didn't squeak, didn't sag"},
    {"tent closure failed in the cold", "Zip broke. On night one"},
    {"headphones that let you hear traffic", "I was sceptical about bone conduction"},
    {"application without advertising", "not a single ad"},
    {"cooktop with bad controls", "Whoever thought a touch panel"},
    {"making a watch bracelet shorter", "After the last clippers"},
    {"waterproof music player for the bathroom", "If there's a better speaker for the shower"},
    {"drink that is gentle on the stomach", "Two cups on an empty stomach"},
    {"dishes without meat that taste good", "Anyone who says vegan food"},
    {"hotel beside a construction site", "Nothing says relaxing holiday"},
    {"how far an electric bike goes on one charge", "Ebike, 250 watt motor"},
    {"sling that calms a crying baby", "Little one screams in every carrier"},
    {"smartphone that lasts long without a plug", "Phone battery easily gets me"},
    {"hosts who helped us with a breakdown", "We arrived with two tired kids"},
    {"notebook computer switches itself off", "At 1% it dies"},
    {"printer for a few colleagues that never jams", "I run a small office"},
    {"bed with a hollow in the middle", "My partner likes it firm"},
    {"running shoes good for painful joints", "I'm 54 with bad knees"},
    {"restaurant gave pork to somebody who eats none", "I chose the vegetarian option"}
  };

  private MakeReviewQueries() {}

  public static void main(String[] args) throws IOException {
    if (args.length != 1) {
      System.err.println("usage: java tools/MakeReviewQueries.java FOLDER");
      System.exit(2);
    }
    List<String> reviews = new ArrayList<>();
    List<String> lines = Files.readAllLines(Path.of(args[0], "test.csv"));
    for (String line : lines.subList(1, lines.size())) {
      String text = line.substring(0, line.lastIndexOf(','));
      boolean isQuoted = text.startsWith("\"") && text.endsWith("\"");
      reviews.add(isQuoted ? text.substring(1, text.length() - 1).replace("\"\"", "\"") : text);
    }
    List<String> others = new ArrayList<>(reviews);
    List<String> found = new ArrayList<>();
    for (String[] query : QUERIES) {
      List<String> matching = reviews.stream().filter(r -> r.startsWith(query[1])).toList();
      if (matching.size() != 1) {
        System.err.println(matching.size() + " reviews begin with: " + query[1]);
        System.exit(1);
      }
      found.add(matching.get(0));
    }
    others.removeAll(found);
    List<String> rows = new ArrayList<>();
    for (int i = 0; i < QUERIES.length; i++) {
      StringBuilder row = new StringBuilder("{\"anchor\": " + quoted(QUERIES[i][0]));
      row.append(", \"positive\": ").append(quoted(found.get(i)));
      for (int k = 1; k <= OTHERS; k++) {
        String other = others.get((OTHERS * i + k - 1) % others.size());
        row.append(", \"negative_").append(k).append("\": ").append(quoted(other));
      }
      rows.add(row.append('}').toString());
    }
    Files.write(Path.of(args[0], "queries.jsonl"), rows);
  }

  private static String quoted(String text) {
    return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
  }
}
