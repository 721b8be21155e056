import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.regex.Pattern;

/**
 * Writes the example notices: announcements of a small town with questions on them, in SQuAD 2.0's
 * own format. Notices are put together from the sentences below, which the Attune authors wrote.
 *
 * <p>Run: {@code java tools/MakeNotices.java examples/notices}. The same bytes every time. A
 * sentence and a question on each fact, the last of those below, are kept for validation and test;
 * so are names, streets and things that the training file does not have. One question in three is
 * about a fact that the notice does not tell.
 */
public final class MakeNotices {
  private static final int FACTS_TOLD = 5;
  private static final Map<String, int[]> NOTICES = new LinkedHashMap<>();

  static {
    NOTICES.put("train", new int[] {320, 3}); // notices, questions on each
    NOTICES.put("validation", new int[] {40, 3});
    NOTICES.put("test", new int[] {60, 3});
  }

  /**
   * Facts of a kind of notice: its title, then one block a fact. The first word of a block is the
   * kind of value; lines with {@code {}} tell it, lines with a question mark ask for it.
   */
  private static final Map<String, String> KINDS = new LinkedHashMap<>();

  static {
    KINDS.put(
        "Concert in the town hall",
        """
        time
        The doors open at {}.
        You can come in from {} on.
        The hall is unlocked at {}.
        Nobody is let in before {}.
        When do the doors open?
        From what time on can one get in?
        How early may visitors enter the hall?

        time
        The first piece begins at {}.
        The musicians start playing at {}.
        The concert itself starts at {}.
        The music sets in at {}.
        When does the concert start?
        At what time do they begin to play?
        What time is the first piece?

        person
        The orchestra is led by {}.
        {} conducts.
        On the rostrum stands {}.
        The baton is in the hands of {}.
        Who conducts the orchestra?
        Who leads the musicians?
        What is the name of the conductor?

        person
        {} plays the violin solo.
        The soloist is {}.
        {} will be heard on the violin.
        The violin is played by {}.
        Who is the soloist?
        Who plays the violin?
        Which violinist can be heard?

        price
        A ticket costs {}.
        Admission is {}.
        Seats are sold for {}.
        You pay {} to get in.
        How much is a ticket?
        What does admission cost?
        What is the price of a seat?

        place
        Tickets are sold at {}.
        You get tickets at {}.
        Advance booking is at {}.
        Those who want a seat should ask at {}.
        Where are tickets sold?
        Where can one buy tickets?
        At which place does one get a seat in advance?

        number
        There are {} seats.
        The hall holds {} people.
        We have room for {} listeners.
        No more than {} visitors fit in.
        How many seats are there?
        How many people does the hall hold?
        What is the capacity of the hall?
        """);
    KINDS.put(
        "Road works",
        """
        place
        The road is closed at {}.
        No cars can pass by {}.
        Barriers are put up near {}.
        The blocked stretch lies by {}.
        Where is the road closed?
        Which place can no cars pass?
        Where will drivers meet barriers?

        date
        Work begins on {}.
        The diggers arrive on {}.
        The closure starts on {}.
        From {} on the street is torn up.
        When does the work begin?
        On which day does the closure start?
        What is the first day of the works?

        date
        Everything should be finished by {}.
        The road is expected to reopen on {}.
        We hope to be done on {}.
        Traffic flows again from {}.
        When is the road to reopen?
        By which date should the work be finished?
        Until when does it last?

        reason
        The reason is {}.
        The works are needed because of {}.
        The street is dug up for the sake of {}.
        All this is done on account of {}.
        What is the reason for the works?
        Why is the road dug up?
        What makes the closure necessary?

        number
        Bus {} takes another way.
        The bus line {} is diverted.
        Passengers of bus {} should use the next stop.
        There is another route for line {}.
        Which bus is diverted?
        What bus line takes another way?
        Which line has a changed route?

        person
        The site is run by {}.
        {} is in charge of the works.
        Responsible on the spot is {}.
        The foreman is {}.
        Who is in charge of the works?
        Who runs the site?
        Who is responsible for it all?

        price
        The works cost {}.
        The town spends {} on it.
        The budget is {}.
        {} has been set aside for it.
        How much do the works cost?
        What does the town spend?
        How large is the budget?
        """);
    KINDS.put(
        "Lost pet",
        """
        mark
        The animal wears {} around its neck.
        You can tell it by {}.
        Its mark is {}.
        What gives it away is {}.
        What does the animal wear?
        By what can it be recognised?
        How can one tell that it is this pet?

        place
        It was last seen at {}.
        Someone noticed it by {}.
        The last trace leads to {}.
        A child saw it running past {}.
        Where was the animal last seen?
        Where did somebody notice it?
        To what place does the last trace lead?

        date
        It has been missing since {}.
        It ran away on {}.
        We have been looking for it since {}.
        It did not come home on {}.
        Since when has it been missing?
        On what day did it run away?
        When did the animal disappear?

        person
        Please call {} if you find it.
        The owner is {}.
        It belongs to {}.
        At home, {} waits for it.
        Who is the owner?
        Whose pet is it?
        To whom does the animal belong?

        price
        The finder gets {}.
        There is a reward of {}.
        We pay {} to whoever brings it back.
        Bringing it home is worth {} to us.
        How much is the reward?
        What does the finder get?
        What is paid for bringing it back?

        number
        It is {} months old.
        It was born {} months ago.
        Its age is {} months.
        It has lived for {} months.
        How many months old is it?
        What is the animal's age in months?
        How long has it lived, in months?

        animal
        The pet is a {}.
        It is a {} that ran away.
        We miss our {}.
        A {} got out through the window.
        What kind of animal is it?
        Which animal is missing?
        What sort of pet got out?
        """);
    KINDS.put(
        "Evening class",
        """
        person
        The class is taught by {}.
        {} is the teacher.
        You will learn from {}.
        The lessons are given by {}.
        Who teaches the class?
        Who is the teacher?
        From whom does one learn?

        place
        We meet at {}.
        Lessons take place at {}.
        The room is at {}.
        Come to {} for it.
        Where does the class meet?
        Where do the lessons take place?
        To what place should learners go?

        time
        Each lesson begins at {}.
        We start at {}.
        Be in your seat by {}.
        Things get going at {}.
        When does a lesson begin?
        At what time does the class start?
        What is the starting time?

        number
        There are {} lessons.
        The course has {} evenings.
        It runs over {} meetings.
        We come together {} times.
        How many lessons are there?
        How many evenings does the course have?
        How often do they come together?

        price
        The fee is {}.
        Taking part costs {}.
        You pay {} for the course.
        {} is due at the beginning.
        What is the fee?
        How much does taking part cost?
        How much is due?

        tool
        Please bring {}.
        You need {}.
        Do not forget {}.
        Everyone has to have {} with them.
        What should one bring?
        What does one need for it?
        Which item must not be forgotten?

        date
        The first evening is {}.
        It begins on {}.
        We see each other first on {}.
        The opening lesson falls on {}.
        When is the first evening?
        On which date does the course begin?
        On what day do they meet for the first time?
        """);
    KINDS.put(
        "Flat to let",
        """
        price
        The rent is {} a month.
        Every month {} is due.
        You pay {} monthly.
        It is let for {} per month.
        How high is the rent?
        What is due every month?
        How much does a tenant pay?

        place
        The flat is at {}.
        It lies by {}.
        You find it at {}.
        From the windows you look at {}.
        Where is the flat?
        By what place does it lie?
        Where does one find it?

        number
        It measures {} square metres.
        It has a floor of {} square metres.
        There are {} square metres to live in.
        The area comes to {} square metres.
        How large is the flat in square metres?
        What is its area?
        How much room is there?

        date
        It is free from {}.
        You can move in on {}.
        The keys are handed over on {}.
        The present tenant leaves on {}.
        From when is it free?
        When can one move in?
        On what date are the keys handed over?

        person
        Ask {} about it.
        The landlord is {}.
        It is let by {}.
        The house belongs to {}.
        Who lets the flat?
        Who is the landlord?
        Whose house is it?

        extra
        The tenant may use {}.
        With it comes {}.
        {} is included.
        You also get {}.
        What is included?
        What comes with the flat?
        What else does the tenant get?

        animal
        The only pet allowed is a {}.
        You may keep a {}.
        A {} is welcome.
        Nobody minds a {}.
        Which pet is allowed?
        What animal may one keep?
        Which animal does nobody mind?
        """);
  }

  private static final Map<String, String[]> VALUES = new LinkedHashMap<>();

  static {
    VALUES.put(
        "place",
        """
        the old mill, the post office, Baker's Lane, the fish market, 14 Castle Street, the swimming pool,
        Elm Road, the bus depot, the school gym, the north gate, 7 Harbour Walk, the bicycle shop,
        Saint Anne's church, the pharmacy, the fire station, Poplar Square, the garden centre, 52 Mill Street,
        the tram stop, the cattle bridge, the cinema, Cooper's Yard, the lighthouse, the lower lock"""
            .split(",\\s+"));
    VALUES.put(
        "reason",
        """
        a burst pipe, a new cable, a leaking valve, a sunken kerb, the gas main, a broken drain,
        the tram rails, a wider pavement, frost damage, a rotten beam, a cycle track, an unstable wall"""
            .split(",\\s+"));
    VALUES.put(
        "mark",
        """
        a red ribbon, a silver bell, a white paw, a torn ear, a blue scarf, a limp,
        a leather strap, a black tail, a notch in the left ear, a tag with a star, a shaved flank, one green eye"""
            .split(",\\s+"));
    VALUES.put(
        "tool",
        """
        a pair of boots, a sharp pencil, an old shirt, a water bottle, a ruler, a wooden spoon,
        a notebook, warm socks, an apron, a dictionary, a pocket mirror, safety goggles"""
            .split(",\\s+"));
    VALUES.put(
        "extra",
        """
        the cellar, the laundry room, a garden shed, a parking space, fast internet, a roof terrace,
        the attic, a fitted kitchen, the sauna, a bicycle rack, a storage locker, the orchard"""
            .split(",\\s+"));
    VALUES.put("animal", "cat,dog,parrot,rabbit,tortoise,ferret,goat,hamster,goose,pony".split(","));
    VALUES.put(
        "first",
        """
        Anna Boris Clara David Elena Felix Grace Hugo Irene Jonas Karin Luis Maria Nils Olga Paul Rosa Samir Tessa Umar Vera Walter Yusuf
        Zoe"""
            .split("\\s+"));
    VALUES.put(
        "last",
        """
        Abbott Berger Costa Dale Eriksen Fischer Gupta Hale Ivanov Jensen Keller Lund Moreau Novak Okafor Park Quinn Rossi Santos Tanaka
        Usman Vogel Weber Young"""
            .split("\\s+"));
    VALUES.put(
        "month",
        "January February March April May June July August September October November December"
            .split(" "));
  }

  private record Fact(String kind, List<String> sentences, List<String> questions) {}

  private record Told(Fact fact, String value, String sentence) {}

  private final boolean training;
  private final Random random;
  private int questions;

  private MakeNotices(boolean training, Random random) {
    this.training = training;
    this.random = random;
  }

  public static void main(String[] args) throws IOException {
    if (args.length != 1) {
      System.err.println("usage: java tools/MakeNotices.java FOLDER");
      System.exit(2);
    }
    for (Map.Entry<String, int[]> split : NOTICES.entrySet()) {
      String name = split.getKey();
      MakeNotices make = new MakeNotices(name.equals("train"), new Random(name.hashCode()));
      StringBuilder out = new StringBuilder("{\"version\": \"v2.0\", \"data\": [\n");
      for (int i = 0; i < split.getValue()[0]; i++) {
        out.append(i == 0 ? "" : ",\n").append(make.notice(name, split.getValue()[1]));
      }
      Files.writeString(Path.of(args[0], name + ".json"), out + "\n]}\n");
    }
  }

  private String notice(String split, int asked) {
    List<String> titles = List.copyOf(KINDS.keySet());
    String title = titles.get(random.nextInt(titles.size()));
    List<Fact> facts = facts(KINDS.get(title));
    Collections.shuffle(facts, random);
    List<Told> told = new ArrayList<>();
    List<String> parts = new ArrayList<>(List.of(title + "."));
    for (Fact fact : facts.subList(0, FACTS_TOLD)) {
      String value = value(fact.kind());
      // "The" at the start of a sentence is written large.
      String sentence = capital(of(fact.sentences()).replace("{}", value));
      told.add(new Told(fact, value, sentence));
      parts.add(sentence);
    }
    String context = String.join(" ", parts);
    if (told.stream().anyMatch(one -> stands(context, one.value()) != 1)) {
      return notice(split, asked); // an answer stands in a notice once
    }
    List<String> rows = new ArrayList<>();
    Collections.shuffle(told, random);
    for (int i = 0; i < asked; i++) {
      boolean isTold = i < asked - 1;
      Fact fact = isTold ? told.get(i).fact() : facts.get(FACTS_TOLD + random.nextInt(facts.size() - FACTS_TOLD));
      rows.add(question(split, context, of(fact.questions()), isTold ? told.get(i) : null));
    }
    return "{\"title\": \""
        + title
        + "\", \"paragraphs\": [{\"context\": \""
        + context
        + "\", \"qas\": [\n  "
        + String.join(",\n  ", rows)
        + "]}]}";
  }

  private static int stands(String context, String value) {
    String lower = context.toLowerCase(Locale.ROOT);
    return lower.split(Pattern.quote(value.toLowerCase(Locale.ROOT)), -1).length - 1;
  }

  private String question(String split, String context, String question, Told told) {
    String answers = "";
    if (told != null) {
      int sentence = context.indexOf(told.sentence());
      int start = context.toLowerCase(Locale.ROOT).indexOf(told.value().toLowerCase(Locale.ROOT), sentence);
      String text = context.substring(start, start + told.value().length());
      answers = "{\"text\": \"" + text + "\", \"answer_start\": " + start + "}";
    }
    return "{\"id\": \""
        + split
        + "-"
        + questions++
        + "\", \"question\": \""
        + question
        + "\", \"answers\": ["
        + answers
        + "], \"is_impossible\": "
        + (told == null)
        + "}";
  }

  /** The last of the sentences or questions is not for training. */
  private String of(List<String> ways) {
    int known = ways.size() - 1;
    return ways.get(training ? random.nextInt(known) : random.nextInt(2) == 0 ? known : random.nextInt(known));
  }

  private String value(String kind) {
    return switch (kind) {
      case "person" -> pick("first") + " " + pick("last");
      case "time" -> String.format("%d:%02d", 8 + random.nextInt(14), 5 * random.nextInt(12));
      case "date" -> (1 + random.nextInt(28)) + " " + VALUES.get("month")[random.nextInt(12)];
      case "number" -> Integer.toString(11 + random.nextInt(280));
      case "price" -> (5 + random.nextInt(900)) + " euros";
      default -> pick(kind);
    };
  }

  /** The last third of the names, places and things is not for training. */
  private String pick(String kind) {
    String[] all = VALUES.get(kind);
    int known = all.length * 2 / 3;
    return training ? all[random.nextInt(known)] : all[random.nextInt(all.length)];
  }

  private static String capital(String sentence) {
    return sentence.substring(0, 1).toUpperCase(Locale.ROOT) + sentence.substring(1);
  }

  private static List<Fact> facts(String text) {
    List<Fact> facts = new ArrayList<>();
    for (String block : text.strip().split("\n\\s*\n")) {
      List<String> lines = block.strip().lines().map(String::strip).toList();
      facts.add(
          new Fact(
              lines.get(0),
              lines.stream().filter(line -> line.contains("{}")).toList(),
              lines.stream().filter(line -> line.endsWith("?")).toList()));
    }
    return facts;
  }
}
