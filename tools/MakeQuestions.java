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
 * Writes the example questions: what customers of an imagined maker of coffee machines ask, each
 * with the help page that answers it. Pages have the maker's own words in their titles, which no
 * customer uses. The Attune authors wrote all of them.
 *
 * <p>Run: {@code java tools/MakeQuestions.java examples/questions}. The same bytes every time. Of
 * the five questions on each page, three go to {@code train.jsonl}, one each to {@code
 * validation.jsonl} and {@code test.jsonl}.
 */
public final class MakeQuestions {
  private static final int QUESTIONS = 5;
  private static final long SEED = 20;

  /** A page, then the questions that it answers. */
  private static final String[][] PAGES = {
    {
      "E-07: decalcification cycle overdue",
      "There are white flakes in my cup",
      "A lamp that looks like a tap has been on for days",
      "The water seems to run slower every week",
      "Why is there chalk at the spout?",
      "My kettle side is all crusty, do I have to clean it?"
    },
    {
      "E-11: grinder blocked by foreign object",
      "It makes a horrible rattling noise and no coffee comes",
      "A small stone must have been among the beans",
      "The beans no longer go down, it only hums",
      "Something hard got stuck where the beans are crushed",
      "Loud crack, then nothing but a buzz"
    },
    {
      "E-14: pump lost prime",
      "It sounds as if it pumps but stays dry",
      "After I filled the tank nothing comes out",
      "No water arrives although the tank is full",
      "Air in the line I guess, only a gurgle",
      "It sucks and sucks and nothing happens"
    },
    {
      "E-19: brew unit not seated",
      "The door will not close since I washed the inside part",
      "I took the middle piece out and now it complains",
      "After cleaning, the insert does not click in any more",
      "How do I put the removable block back?",
      "It says something is missing inside but I put everything back"
    },
    {
      "E-23: thermal cut-out tripped",
      "It went off by itself and is stone cold",
      "Nothing heats any more after it stood in the sun",
      "It got far too hot and then shut down",
      "No warm drinks since yesterday, the rest works",
      "Suddenly dead in the middle of a hot cup"
    },
    {
      "E-31: drip tray sensor",
      "It keeps asking me to empty the tray though I just did",
      "The tray is dry and clean, yet the warning stays",
      "Why does it think the bottom is full?",
      "Emptied everything, the message about the tray will not go",
      "The grid at the bottom is in place and it still nags"
    },
    {
      "E-38: milk circuit contaminated",
      "The froth smells sour",
      "My cappuccino tastes off",
      "There is something slimy in the thin hose",
      "Foam turned grey, is that dangerous?",
      "How do I rinse the tube for the latte?"
    },
    {
      "E-42: firmware rollback required",
      "Since the update every button does something else",
      "After last night's download the display is in Chinese",
      "The new version broke it, can I have the old one again?",
      "It restarts all the time since it renewed itself",
      "The latest software made it worse"
    },
    {
      "ConnectHub pairing reset",
      "My phone does not find the machine any more",
      "I have a new router and the app says offline",
      "How do I link it to another mobile?",
      "The app lost my machine after I changed the wifi password",
      "Bluetooth sees it but the app does not"
    },
    {
      "CareWindow entitlement",
      "How long is it covered if something breaks?",
      "Is the repair free in the third year?",
      "Do I have to pay when the pump fails after 20 months?",
      "I lost the receipt, do you still fix it?",
      "What does the guarantee include?"
    },
    {
      "SwapBox courier exchange",
      "Can you send me another one while mine is mended?",
      "Do I have to bring it to a shop to have it looked at?",
      "Who picks up the broken machine?",
      "I cannot be without coffee for two weeks",
      "Is there a parcel for sending the defective unit?"
    },
    {
      "GrindPrint calibration",
      "The coffee is too watery whatever I choose",
      "Every cup is bitter since I bought other beans",
      "How fine should I set it for espresso?",
      "The powder comes out much too coarse",
      "Taste is thin, do I turn the little wheel?"
    },
    {
      "AquaGuard cartridge enrolment",
      "I put a new filter in and it does not notice",
      "Where do I tell it that the filter was changed?",
      "The filter light is red although the filter is fresh",
      "Which way round does the water filter go?",
      "Does the filter from the supermarket work?"
    },
    {
      "NightRest power policy",
      "It turns itself off while I have breakfast",
      "How do I keep it on for longer?",
      "It uses electricity all night, can that be stopped?",
      "Why is it cold again after half an hour?",
      "I want it to be warm at six in the morning"
    },
    {
      "Tier-2 pressure relief valve",
      "Steam hisses out at the back",
      "It whistles like a kettle",
      "Hot vapour escapes from below the lid",
      "Something blows at the rear when it heats",
      "There is a jet of steam where there should be none"
    },
    {
      "Gasket kit G4 replacement",
      "A puddle forms under the machine",
      "Water drips from the side after each cup",
      "It leaks, but only when it is hot",
      "Brown water runs down the front",
      "Which rubber ring do I need against the dripping?"
    },
    {
      "Bean hopper odour treatment",
      "The container on top smells rancid",
      "There is an oily film where I pour the beans in",
      "How do I get the grease out of the top part?",
      "Old fat sticks to the plastic above",
      "May the lid compartment go in the dishwasher?"
    },
    {
      "Cup plate heater",
      "The cups on top stay cold",
      "How do I switch on the warming of the mugs?",
      "The metal surface for cups no longer gets warm",
      "Can it preheat my cups?",
      "I burnt my hand on the upper side, is that normal?"
    },
    {
      "Profile slots exhausted",
      "I cannot store another favourite",
      "How do I delete the drinks of my former flatmate?",
      "It says no room when I save my recipe",
      "My daughter wants her own button, there is none left",
      "Too many users on it, how do I remove one?"
    },
    {
      "Child lock escalation",
      "All buttons are dead and a key is shown",
      "My toddler pressed something and now it ignores me",
      "There is a padlock on the display",
      "How do I keep the kids from making cocoa all day?",
      "It does not react to touch since the little one played with it"
    },
    {
      "Regional voltage variant",
      "Can I take it to America?",
      "I am moving to Japan, will it work there?",
      "Does it run on 110 volts?",
      "Which adapter do I need on holiday abroad?",
      "I bought it in London, may I use it in Madrid?"
    },
    {
      "Long storage decommissioning",
      "I will be away for half a year",
      "How do I prepare it for the cellar?",
      "It is to stay in the holiday home over a freezing winter",
      "May water remain inside if I do not use it for months?",
      "We are going on a sabbatical, what about the machine?"
    },
    {
      "Spent puck residue",
      "The used grounds are soup, not a cake",
      "The waste is wet and falls apart",
      "Mud in the container for the old coffee",
      "Why are the leftovers so soggy?",
      "The pressed discs in the bin are mouldy"
    },
    {
      "Dual dose misfire",
      "I press two cups and get one",
      "Only the left spout gives coffee",
      "One cup is full, the other half empty",
      "The right nozzle does nothing",
      "A double espresso fills just one glass"
    },
    {
      "Acoustic envelope",
      "It is so loud that the baby wakes up",
      "Can it be made quieter in the morning?",
      "Is that much noise normal?",
      "My neighbours complain about the grinding",
      "Does the silent mode exist?"
    },
    {
      "Service interval counter",
      "It shows a spanner and the number 0",
      "A tool symbol appeared, must I do something?",
      "It says I should call you although it works",
      "How do I get rid of the wrench on the screen?",
      "After 5000 drinks a message asks for an appointment"
    },
    {
      "Consent ledger",
      "What do you know about my drinking habits?",
      "I do not want my data to be sent to you",
      "How do I have my account erased?",
      "Who sees how much coffee I make?",
      "Can I switch off the sharing of statistics?"
    },
    {
      "BrewPass billing",
      "You charged me twice this month",
      "I want to stop the monthly beans",
      "Where do I change the card that you take the money from?",
      "How do I pause the deliveries while I am on holiday?",
      "The amount on my statement is wrong"
    },
    {
      "Loyalty bean credits",
      "Where are the points for my last order?",
      "My stars have disappeared",
      "Do I get something for recommending you to a friend?",
      "How do I use my bonus for a discount?",
      "The voucher that I earned is not accepted"
    },
    {
      "Parcel trace escalation",
      "My order should have been here on Monday",
      "The tracking has not moved for a week",
      "The neighbour never got the box you say he took",
      "Half of what I bought is missing in the package",
      "Where is my delivery?"
    },
    {
      "Right of withdrawal desk",
      "I do not like it and want my money again",
      "May I send it back after I have tried it?",
      "How many days do I have to change my mind?",
      "It does not fit under the cupboard, can I return it?",
      "I ordered the wrong colour"
    },
    {
      "Display pixel fault",
      "Half of the screen is black",
      "There are stripes over the text",
      "I can hardly read anything, it is so dim",
      "Lines on the panel since it fell",
      "The letters flicker"
    },
    {
      "Touch panel recalibration",
      "It always selects the drink beside the one I press",
      "My finger is not recognised",
      "The buttons react only when I press very hard",
      "It orders things nobody touched",
      "With wet hands nothing works"
    },
    {
      "Hot water spout limiter",
      "The tea water is only lukewarm",
      "The water for tea stops after half a cup",
      "How do I get more than a glass of plain hot water?",
      "Can I set how warm the tea is?",
      "My pot is never filled completely"
    },
    {
      "Decaf chute",
      "Where do I put ready ground coffee?",
      "My mother wants one without caffeine",
      "Can I use powder instead of beans?",
      "I poured powder in and it got stuck",
      "Is there a second opening for another sort?"
    },
    {
      "Spare parts portal S1",
      "Where can I buy a new tank?",
      "The handle of the tray broke off",
      "I need another lid",
      "Do you sell the glass jug alone?",
      "My dog chewed the spoon that came with it"
    },
    {
      "Barista academy enrolment",
      "How do I draw a heart in the foam?",
      "Do you offer lessons?",
      "I want to learn how to make a proper flat white",
      "Is there a course near me?",
      "Who teaches how to taste coffee?"
    },
    {
      "Trade account onboarding",
      "We want twelve machines for our office",
      "Do you give prices for hotels?",
      "Can my company pay by invoice?",
      "I run a small bakery and need a bigger model",
      "Is there somebody for business customers?"
    },
    {
      "Green return programme",
      "What do I do with the old one when I buy a new one?",
      "Do you take machines for recycling?",
      "May it go in the household rubbish?",
      "Where do I dispose of used filters?",
      "Can the packaging be handed back?"
    },
    {
      "Safety notice 12",
      "I heard that some of your machines catch fire",
      "Is mine one of those that were called back?",
      "There was a smell of burnt plastic",
      "The cable gets hot",
      "Sparks came out of the plug"
    }
  };

  private MakeQuestions() {}

  public static void main(String[] args) throws IOException {
    Path folder = Path.of(args[0]);
    Map<String, List<String>> files = new LinkedHashMap<>();
    List.of("train", "validation", "test").forEach(name -> files.put(name, new ArrayList<>()));
    for (String[] page : PAGES) {
      if (page.length != 1 + QUESTIONS) {
        throw new IllegalStateException(page[0] + " has " + (page.length - 1) + " questions");
      }
      for (int i = 1; i <= QUESTIONS; i++) {
        String file = i <= 3 ? "train" : i == 4 ? "validation" : "test";
        files.get(file).add(line(page[i], page[0]));
      }
    }
    for (Map.Entry<String, List<String>> file : files.entrySet()) {
      Collections.shuffle(file.getValue(), new Random(SEED));
      Files.writeString(
          folder.resolve(file.getKey() + ".jsonl"), String.join("\n", file.getValue()) + "\n");
    }
  }

  private static String line(String question, String page) {
    return "{\"anchor\": \"" + question + "\", \"positive\": \"" + page + "\"}";
  }
}
