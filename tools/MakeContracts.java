import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Writes the example contracts: short agreements of six kinds with questions on them, in SQuAD
 * 2.0's own format. The Attune authors wrote the clauses and the questions; parties, sums and dates
 * are drawn.
 *
 * <p>Run: {@code java tools/MakeContracts.java examples/contracts}. The same bytes every time. The
 * last wording of each clause and of each question, and a third of the names, are kept for
 * validation and test. Of five questions on a contract one is about what it does not say.
 */
public final class MakeContracts {
  private static final int CLAUSES = 6;
  private static final int QUESTIONS = 5;
  private static final Map<String, Integer> CONTRACTS = new LinkedHashMap<>();

  static {
    CONTRACTS.put("train", 120);
    CONTRACTS.put("validation", 20);
    CONTRACTS.put("test", 30);
  }

  /** What a contract may say: the kind of value, three wordings, three questions. */
  private record Clause(String value, String[] wordings, String[] questions) {}

  private static final Map<String, Clause> CLAUSE = new LinkedHashMap<>();

  /**
   * Title, the two sides, then the clauses that such a contract may have. What only one kind has is
   * never asked of another.
   */
  private static final String[][] KINDS = {
    {
      "Lease of business premises", "landlord", "tenant", "start term notice law courts rent deposit"
          + " interest renewal insurance premises"
    },
    {
      "Contract of employment", "employer", "employee", "start notice law salary hours holidays"
          + " probation secrecy competition"
    },
    {
      "Agreement on services", "client", "contractor", "start term notice law courts fee invoices"
          + " interest cap secrecy insurance"
    },
    {
      "Software licence", "licensor", "licensee", "start term law courts fee invoices cap warranty"
          + " renewal users"
    },
    {
      "Loan agreement", "lender", "borrower", "start term law courts loan rate interest guarantor"
          + " early"
    },
    {
      "Contract of sale", "seller", "buyer", "law courts price invoices delivery warranty penalty"
          + " interest cap"
    }
  };

  static {
    clause("start", "date",
        "This contract takes effect on {}.", "It enters into force on {}.", "Its first day is {}.",
        "When does the contract take effect?", "From which day on does it apply?", "When does it begin?");
    clause("term", "period",
        "It is concluded for {}.", "It runs for {} from that day.", "The parties bind themselves for {}.",
        "For how long is the contract concluded?", "How long does it run?", "What is its duration?");
    clause("notice", "period",
        "Either side may end it by giving notice of {}.", "Notice of termination must be given {} in advance.",
        "Whoever wants to leave says so in writing {} ahead.",
        "What is the notice period?", "How much notice must be given?", "How long before leaving must one write?");
    clause("law", "country",
        "The law of {} governs this contract.", "It is subject to the law of {}.", "Its interpretation follows the law of {}.",
        "Which law governs the contract?", "The law of which country applies?", "Under whose law is it read?");
    clause("courts", "city",
        "Disputes are brought before the courts of {}.", "The courts of {} alone have jurisdiction.",
        "Should the parties fall out, judges in {} decide.",
        "Which courts have jurisdiction?", "Where are disputes decided?", "In which city would one have to sue?");
    clause("rent", "sum",
        "The monthly rent is {}.", "Rent of {} falls due on the first of each month.", "For each month {} are paid.",
        "How much is the rent?", "What is paid each month?", "What does a month cost?");
    clause("deposit", "sum",
        "A deposit of {} is lodged at signature.", "The tenant pays a deposit of {}.", "As security {} are handed over.",
        "How high is the deposit?", "What deposit is to be paid?", "What security must be given?");
    clause("interest", "percent",
        "Sums paid late bear interest at {} a year.", "Default interest is {} a year.", "Whoever pays late owes {} on top for each year.",
        "What is the rate of default interest?", "What interest do late payments bear?", "What does paying late cost?");
    clause("renewal", "period",
        "Unless ended in time it is renewed for {}.", "It renews itself for a further {}.", "If nobody objects, another {} follow.",
        "For how long is it renewed?", "What is the renewal period?", "How much longer does it go on if nobody objects?");
    clause("insurance", "sum",
        "Liability insurance of at least {} must be kept.", "An insurance cover of {} is to be proved.",
        "A policy for {} has to be in place.",
        "What insurance cover is required?", "For what sum must one be insured?", "How large a policy is needed?");
    clause("premises", "street",
        "The premises lie at {}.", "Let are the rooms at {}.", "The address of the object is {}.",
        "Where do the premises lie?", "Which address is let?", "Where is the object?");
    clause("salary", "sum",
        "The gross salary is {} a month.", "A monthly salary of {} is paid.", "Work is rewarded with {} a month.",
        "How much is the salary?", "What does the employee earn?", "What is paid for the work each month?");
    clause("hours", "hours",
        "Weekly working time is {}.", "The employee works {} a week.", "A full week counts {}.",
        "How long is the working week?", "How many hours a week are worked?", "What is the weekly working time?");
    clause("holidays", "days",
        "Paid leave is {} a year.", "The employee has {} of holidays a year.", "Each year {} are free and paid.",
        "How much paid leave is there?", "How many days of holidays are granted?", "How long may one be away each year?");
    clause("probation", "period",
        "The first {} are a probation period.", "Probation lasts {}.", "For {} both sides may still think better of it.",
        "How long is probation?", "What is the probation period?", "How long is the trial?");
    clause("secrecy", "period",
        "The duty of secrecy outlasts the contract by {}.", "Secrets are to be kept for {} after its end.",
        "What was learned stays confidential for {} more.",
        "How long does the duty of secrecy last?", "For how long are secrets kept after the end?",
        "How long does confidentiality go on?");
    clause("competition", "period",
        "For {} after leaving no work for a competitor is allowed.", "A ban on competition holds for {}.",
        "Rivals may not be served for {} after the end.",
        "How long does the ban on competition hold?", "For how long is work for a competitor banned?",
        "How long must one keep away from rivals?");
    clause("fee", "sum",
        "The fee is {}.", "A fee of {} is agreed.", "All of it costs {}.",
        "How much is the fee?", "What fee is agreed?", "What does it cost?");
    clause("invoices", "days",
        "Invoices are payable within {}.", "Payment is due {} after the invoice.", "A bill may lie for {} at most.",
        "Within what time are invoices payable?", "When is an invoice due?", "How long may a bill lie?");
    clause("cap", "sum",
        "Liability is limited to {}.", "Neither side owes more than {} in damages.", "Damages end at {}.",
        "To what sum is liability limited?", "What is the cap on liability?", "How much can be claimed at most?");
    clause("warranty", "period",
        "Defects are remedied for {}.", "The warranty lasts {}.", "For {} faults are put right free of charge.",
        "How long is the warranty?", "For how long are defects remedied?", "Until when are faults put right?");
    clause("users", "count",
        "The software may be used by {} persons.", "The licence is for {} users.", "No more than {} people may log in.",
        "How many users does the licence allow?", "By how many persons may the software be used?", "How many people may log in?");
    clause("loan", "sum",
        "The sum lent is {}.", "The lender pays out {}.", "Put at disposal are {}.",
        "How much is lent?", "What is the amount of the loan?", "What sum is put at disposal?");
    clause("rate", "percent",
        "The loan bears interest at {} a year.", "Interest on the loan is {} a year.", "Using the money costs {} a year.",
        "What interest does the loan bear?", "What is the interest rate of the loan?", "What does the money cost each year?");
    clause("guarantor", "person",
        "{} stands surety for the loan.", "The loan is guaranteed by {}.", "If all else fails, {} pays.",
        "Who guarantees the loan?", "Who stands surety?", "Who pays if all else fails?");
    clause("early", "percent",
        "Early repayment costs {} of what is left.", "A charge of {} falls due on early repayment.",
        "Paying back sooner takes another {}.",
        "What does early repayment cost?", "What charge falls due on early repayment?", "What is lost by paying back sooner?");
    clause("price", "sum",
        "The price is {}.", "The goods are sold for {}.", "In return {} change hands.",
        "What is the price?", "For how much are the goods sold?", "What is given in return?");
    clause("delivery", "city",
        "The goods are delivered to {}.", "Place of delivery is {}.", "The lorry unloads in {}.",
        "Where are the goods delivered?", "What is the place of delivery?", "Where is unloaded?");
    clause("penalty", "sum",
        "For each day of delay a penalty of {} is owed.", "Late delivery costs {} a day.", "Each day lost takes {} off.",
        "What is the penalty for delay?", "What does late delivery cost a day?", "What is lost with each day?");
  }

  private static void clause(String name, String value, String... texts) {
    CLAUSE.put(name, new Clause(value,
        new String[] {texts[0], texts[1], texts[2]}, new String[] {texts[3], texts[4], texts[5]}));
  }

  private static final Map<String, String[]> NAMES = new LinkedHashMap<>();

  static {
    names("company", "Altmark Papers Ltd,Borealis Freight plc,Corvin and Daughters,Dunmore Glassworks,Elbe Instruments GmbH,"
        + "Fairholt Bakeries,Granta Optics Ltd,Hollis Timber Co,Ivaran Shipping AS,Juniper Textiles,Kestrel Print House,Lowland Seeds BV");
    names("person", "Agnes Holm,Bruno Salvi,Clara Whitlock,Dmitri Orlov,Edith Brandt,Farid Nasser,Greta Lindqvist,Hugo Marchand,"
        + "Ines Carvalho,Jonas Petersen,Katarina Novak,Liam Doherty");
    names("country", "Norway,Portugal,Austria,Ireland,Denmark,Estonia,Belgium,Finland,Scotland,Slovenia,Latvia,Iceland");
    names("city", "Bergen,Porto,Graz,Cork,Aarhus,Tartu,Ghent,Turku,Dundee,Maribor,Riga,Akureyri");
    names("street", "14 Mill Lane,3 Harbour Row,27 Orchard Street,8 Tanner Square,51 Station Road,9 Abbey Court,62 Linden Avenue,"
        + "5 Cooper Yard,33 Bridge Street");
    names("month", "January,February,March,April,May,June,July,August,September,October,November,December");
  }

  private static void names(String kind, String all) {
    NAMES.put(kind, all.split(","));
  }

  private final boolean training;
  private final Random random;
  private int questions = 1;

  private MakeContracts(boolean training, Random random) {
    this.training = training;
    this.random = random;
  }

  public static void main(String[] args) throws IOException {
    if (args.length != 1) {
      System.err.println("usage: java tools/MakeContracts.java FOLDER");
      System.exit(2);
    }
    for (Map.Entry<String, Integer> split : CONTRACTS.entrySet()) {
      String name = split.getKey();
      MakeContracts make = new MakeContracts(name.equals("train"), new Random(name.hashCode()));
      List<String> contracts = new ArrayList<>();
      while (contracts.size() < split.getValue()) {
        String contract = make.contract(name);
        if (contract != null) {
          contracts.add(contract);
        }
      }
      String text = "{\"version\": \"v2.0\", \"data\": [\n" + String.join(",\n", contracts) + "\n]}\n";
      Files.writeString(Path.of(args[0], name + ".json"), text);
    }
  }

  /** A contract and its questions; null where a value stands in it twice. */
  private String contract(String split) {
    String[] kind = KINDS[random.nextInt(KINDS.length)];
    boolean isPerson = kind[2].equals("employee") || kind[2].equals("borrower");
    Map<String, String> told = new LinkedHashMap<>(); // question to answer
    String first = name("company");
    String second = isPerson ? name("person") : name("company");
    StringBuilder text = new StringBuilder(kind[0])
        .append(" between ").append(first).append(", the ").append(kind[1])
        .append(", and ").append(second).append(", the ").append(kind[2]).append('.');
    told.put(pick("Who is the " + kind[1] + "?", "Which party is the " + kind[1] + "?", "The " + kind[1] + " is whom?"), first);
    told.put(pick("Who is the " + kind[2] + "?", "Which party is the " + kind[2] + "?", "The " + kind[2] + " is whom?"), second);
    List<String> names = new ArrayList<>(List.of(kind[3].split(" ")));
    Collections.shuffle(names, random);
    for (int i = 0; i < CLAUSES; i++) {
      Clause clause = CLAUSE.get(names.get(i));
      String value = value(clause.value());
      String sentence = pick(clause.wordings()).replace("{}", value);
      text.append(' ').append(i + 1).append(". ").append(sentence);
      told.put(pick(clause.questions()), value);
    }
    String context = text.toString();
    if (told.values().stream().anyMatch(a -> context.indexOf(a) != context.lastIndexOf(a))) {
      return null;
    }
    List<String> asked = new ArrayList<>(told.keySet());
    Collections.shuffle(asked, random);
    List<String> rows = new ArrayList<>();
    for (String question : asked.subList(0, QUESTIONS - 1)) {
      rows.add(question(split, question, told.get(question), context.indexOf(told.get(question))));
    }
    Clause silent = CLAUSE.get(names.get(CLAUSES + random.nextInt(names.size() - CLAUSES)));
    rows.add(question(split, pick(silent.questions()), null, 0));
    return "{\"title\": \"" + kind[0] + "\", \"paragraphs\": [{\"context\": \"" + context
        + "\", \"qas\": [\n  " + String.join(",\n  ", rows) + "]}]}";
  }

  private String question(String split, String question, String answer, int start) {
    String answers = answer == null ? "" : "{\"text\": \"" + answer + "\", \"answer_start\": " + start + "}";
    return "{\"id\": \"" + split + "-" + questions++ + "\", \"question\": \"" + question + "\", \"answers\": ["
        + answers + "], \"is_impossible\": " + (answer == null) + "}";
  }

  /** The last of the wordings is not for training; half of the others' are. */
  private String pick(String... ways) {
    int known = ways.length - 1;
    return ways[training || random.nextBoolean() ? random.nextInt(known) : known];
  }

  private String value(String kind) {
    return switch (kind) {
      case "date" -> (1 + random.nextInt(28)) + " " + name("month") + " " + (2019 + random.nextInt(9));
      case "period" -> random.nextBoolean()
          ? (2 + random.nextInt(17)) + " months"
          : List.of("two", "three", "four", "five", "seven", "ten").get(random.nextInt(6)) + " years";
      case "days" -> (7 + random.nextInt(29)) + " days";
      case "hours" -> (20 + random.nextInt(21)) + " hours";
      case "percent" -> (1 + random.nextInt(12)) + "." + random.nextInt(10) + " per cent";
      case "sum" -> String.format("%d,%03d euros", 1 + random.nextInt(240), 50 * random.nextInt(20));
      case "count" -> Integer.toString(11 + random.nextInt(480));
      default -> name(kind);
    };
  }

  /** The last third of the names is not for training. */
  private String name(String kind) {
    String[] all = NAMES.get(kind);
    return all[random.nextInt(training && !kind.equals("month") ? all.length * 2 / 3 : all.length)];
  }
}
